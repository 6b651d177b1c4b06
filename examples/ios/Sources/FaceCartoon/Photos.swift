#if canImport(UIKit)
import UIKit

extension Translator {
    /// Translates a photo of the camera or of the photo library. Otherwise the same as for a `CGImage`.
    public func translate(_ photo: UIImage, style: [Float] = []) throws -> UIImage {
        guard let picture = upright(photo) else { throw TranslationError.picture }
        return UIImage(cgImage: try translate(picture, style: style))
    }
}

/// Returns the pixels of a photo, upright and in sRGB. A `UIImage` may contain turned pixels and an orientation.
private func upright(_ photo: UIImage) -> CGImage? {
    let format = UIGraphicsImageRendererFormat()
    format.scale = photo.scale
    format.preferredRange = .standard
    let renderer = UIGraphicsImageRenderer(size: photo.size, format: format)
    return renderer.image { _ in photo.draw(at: .zero) }.cgImage
}
#endif

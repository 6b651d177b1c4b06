#if canImport(UIKit)
import UIKit

extension Translator {
    /// Does the same for a photo of the camera or of the photo library.
    public func translate(_ photo: UIImage, style: [Float] = []) throws -> UIImage {
        guard let picture = upright(photo) else { throw TranslationError.picture }
        return UIImage(cgImage: try translate(picture, style: style))
    }
}

/// Draws a photo in sRGB with its top at the top; a camera stores its pixels as the sensor is turned.
private func upright(_ photo: UIImage) -> CGImage? {
    let format = UIGraphicsImageRendererFormat()
    format.scale = photo.scale
    format.preferredRange = .standard
    let renderer = UIGraphicsImageRenderer(size: photo.size, format: format)
    return renderer.image { _ in photo.draw(at: .zero) }.cgImage
}
#endif

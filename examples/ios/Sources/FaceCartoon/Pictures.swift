import CoreGraphics
import CoreVideo
import VideoToolbox

/// Returns the largest square in the middle of a picture, in pixels.
func centralSquare(of picture: CGImage) -> CGRect {
    let side = min(picture.width, picture.height)
    let left = (picture.width - side) / 2
    let top = (picture.height - side) / 2
    return CGRect(x: left, y: top, width: side, height: side)
}

/// Returns the pixels of an output of Core ML as a picture.
func makeImage(of pixels: CVPixelBuffer) throws -> CGImage {
    var made: CGImage?
    VTCreateCGImageFromCVPixelBuffer(pixels, options: nil, imageOut: &made)
    guard let made else { throw TranslationError.picture }
    return made
}

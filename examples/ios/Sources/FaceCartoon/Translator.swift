import CoreGraphics
import CoreML
import Foundation

/// Names of the inputs and of the output of an exported Core ML package.
enum Feature {
    static let image = "image"
    static let style = "style"
    static let translation = "translation"
}

public enum TranslationError: Error {
    /// The model has no input or output of this name, or one of another type.
    case noFeature(String)
    /// The style has the wrong number of values. A model without styles expects 0.
    case styleLength(expected: Int, received: Int)
    /// The picture could not be cropped or converted.
    case picture
}

/// Translates pictures with a Core ML package that `python -m tf_i2i.export` wrote.
public final class Translator {
    private let model: MLModel
    private let imageConstraint: MLImageConstraint
    private let styleShape: [Int]

    /// Number of values in a style; 0 for a model without styles.
    public let styleLength: Int

    /// Loads a model.
    ///
    /// - Parameters:
    ///   - url: a `.mlmodelc` folder, which Xcode makes of a `.mlpackage` in an app,
    ///     or a `.mlpackage` folder, which is compiled first.
    ///   - computeUnits: the processors that Core ML may use.
    /// - Throws: `TranslationError.noFeature`, or an error of Core ML.
    public init(contentsOf url: URL, computeUnits: MLComputeUnits = .all) async throws {
        var compiled = url
        if url.pathExtension == "mlpackage" {
            compiled = try await MLModel.compileModel(at: url)
        }
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits
        let loaded = try await MLModel.load(contentsOf: compiled, configuration: configuration)

        let inputs = loaded.modelDescription.inputDescriptionsByName
        guard let constraint = inputs[Feature.image]?.imageConstraint else {
            throw TranslationError.noFeature(Feature.image)
        }
        model = loaded
        imageConstraint = constraint
        let array = inputs[Feature.style]?.multiArrayConstraint
        styleShape = array?.shape.map(\.intValue) ?? []
        styleLength = array == nil ? 0 : styleShape.reduce(1, *)
    }

    /// Translates the square in the middle of a picture. Not for the main thread.
    ///
    /// - Parameters:
    ///   - picture: an upright picture of any size.
    ///   - style: `styleLength` values, for example one of the samples in
    ///     `face.mlpackage.style.json`; empty for a model without styles.
    /// - Returns: a square picture of the size for which the model was exported.
    /// - Throws: `TranslationError`, or an error of Core ML.
    public func translate(_ picture: CGImage, style: [Float] = []) throws -> CGImage {
        guard style.count == styleLength else {
            throw TranslationError.styleLength(expected: styleLength, received: style.count)
        }
        guard let square = picture.cropping(to: centralSquare(of: picture)) else {
            throw TranslationError.picture
        }
        // Core ML scales the square to the size in the constraint.
        var inputs = [
            Feature.image: try MLFeatureValue(cgImage: square, constraint: imageConstraint)
        ]
        if !style.isEmpty {
            let values = MLShapedArray<Float>(scalars: style, shape: styleShape)
            inputs[Feature.style] = MLFeatureValue(shapedArray: values)
        }
        let outputs = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: inputs))
        guard let pixels = outputs.featureValue(for: Feature.translation)?.imageBufferValue else {
            throw TranslationError.noFeature(Feature.translation)
        }
        return try makeImage(of: pixels)
    }
}

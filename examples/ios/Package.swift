// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "FaceCartoon",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [.library(name: "FaceCartoon", targets: ["FaceCartoon"])],
    targets: [.target(name: "FaceCartoon")]
)

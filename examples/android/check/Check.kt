import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tfi2i.sample.toPixels
import org.tfi2i.sample.toTensor

/** Writes tensor.bin, pixels.bin and style.bin from the ARGB pixels of argb.bin. */
fun main(args: Array<String>) {
    val folder = File(args[0])
    val stored = ByteBuffer.wrap(File(folder, "argb.bin").readBytes())
    val pixels = IntArray(stored.capacity() / 4) { stored.getInt() }

    val tensor = toTensor(pixels)
    File(folder, "tensor.bin").writeBytes(content(tensor))
    val again = ByteBuffer.allocate(stored.capacity())
    again.asIntBuffer().put(toPixels(tensor))
    File(folder, "pixels.bin").writeBytes(again.array())
    val style = toTensor(floatArrayOf(0.5f, -2f)).order(ByteOrder.nativeOrder())
    File(folder, "style.bin").writeBytes(content(style))
}

fun content(buffer: ByteBuffer): ByteArray {
    val bytes = ByteArray(buffer.remaining())
    buffer.get(bytes)
    return bytes
}

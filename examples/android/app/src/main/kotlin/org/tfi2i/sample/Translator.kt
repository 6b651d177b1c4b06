package org.tfi2i.sample

import android.content.Context
import android.graphics.Bitmap
import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.Delegate
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.gpu.GpuDelegate
import org.tensorflow.lite.nnapi.NnApiDelegate

/**
 * Runs face.tflite of the app's assets.
 *
 * The first delegate that accepts the file is used: the GPU, then NNAPI, then
 * none, which means the CPU.
 */
class Translator(context: Context, name: String = "face.tflite") : Closeable {
    private val model: ByteBuffer
    private val interpreter: Interpreter
    private var delegate: Delegate? = null

    /** "GPU", "NNAPI" or "CPU". */
    var device = "CPU"
        private set

    init {
        val bytes = context.assets.open(name).use { it.readBytes() }
        model = ByteBuffer.allocateDirect(bytes.size).order(ByteOrder.nativeOrder())
        model.put(bytes).rewind()
        interpreter = onDevice("GPU") { GpuDelegate() }
            ?: onDevice("NNAPI") { NnApiDelegate() }
            ?: Interpreter(model, Interpreter.Options().setNumThreads(2))
    }

    private val side = interpreter.getInputTensorFromSignature(IMAGE, SIGNATURE).shape()[1]

    private fun onDevice(name: String, make: () -> Delegate): Interpreter? {
        var made: Delegate? = null
        try {
            made = make()
            val found = Interpreter(model, Interpreter.Options().addDelegate(made))
            delegate = made
            device = name
            return found
        } catch (error: RuntimeException) {
            made?.close()
        } catch (error: LinkageError) {
            made?.close()
        }
        return null
    }

    /** Returns the translation of a square picture. Not for the main thread. */
    fun translate(square: Bitmap, style: FloatArray? = null): Bitmap {
        val small = Bitmap.createScaledBitmap(square, side, side, true)
        val pixels = IntArray(side * side)
        small.getPixels(pixels, 0, side, 0, 0, side, side)

        val inputs = mutableMapOf<String, Any>(IMAGE to toTensor(pixels))
        if (style != null) inputs[STYLE] = toTensor(style)
        val output = ByteBuffer.allocateDirect(3 * pixels.size)
        interpreter.runSignature(inputs, mapOf<String, Any>(IMAGE to output), SIGNATURE)
        return Bitmap.createBitmap(toPixels(output), side, side, Bitmap.Config.ARGB_8888)
    }

    override fun close() {
        interpreter.close()
        delegate?.close()
    }
}

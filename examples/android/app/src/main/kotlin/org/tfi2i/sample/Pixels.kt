package org.tfi2i.sample

import java.nio.ByteBuffer
import java.nio.ByteOrder

/*
 * Conversion between the pixels of a Bitmap and the tensors of an exported
 * file. This file uses no class of Android, so that it can be tested anywhere.
 */

/** Names in the signature of a .tflite file that was exported in one direction. */
const val SIGNATURE = "translate"
const val IMAGE = "image"
const val STYLE = "style"

/** Returns ARGB pixels as bytes: red, green and blue of each pixel. */
fun toTensor(pixels: IntArray): ByteBuffer {
    val bytes = ByteBuffer.allocateDirect(3 * pixels.size)
    for (p in pixels) {
        bytes.put((p shr 16).toByte()).put((p shr 8).toByte()).put(p.toByte())
    }
    bytes.rewind()
    return bytes
}

/** Returns the bytes of an output tensor as opaque ARGB pixels. */
fun toPixels(bytes: ByteBuffer): IntArray {
    bytes.rewind()
    fun next() = bytes.get().toInt() and 0xFF
    return IntArray(bytes.capacity() / 3) {
        (0xFF shl 24) or (next() shl 16) or (next() shl 8) or next()
    }
}

/** Returns the numbers of a style as a tensor. */
fun toTensor(style: FloatArray): ByteBuffer {
    val bytes = ByteBuffer.allocateDirect(4 * style.size).order(ByteOrder.nativeOrder())
    bytes.asFloatBuffer().put(style)
    return bytes
}

/** A square in a picture, in pixels. */
data class Square(val left: Int, val top: Int, val side: Int)

/** Returns the largest square in the middle of a picture. */
fun centralSquare(width: Int, height: Int): Square {
    val side = minOf(width, height)
    return Square((width - side) / 2, (height - side) / 2, side)
}

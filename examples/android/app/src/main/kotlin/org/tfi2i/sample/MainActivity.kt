package org.tfi2i.sample

import android.Manifest
import android.graphics.Bitmap
import android.graphics.Matrix
import android.os.Bundle
import android.widget.ImageView
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.result.contract.ActivityResultContracts
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.core.ImageProxy
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.core.content.ContextCompat
import java.util.concurrent.Executors

/** Shows the square in the middle of the front camera, and its translation. */
class MainActivity : ComponentActivity() {
    private val worker = Executors.newSingleThreadExecutor()
    private lateinit var translator: Translator

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        setContentView(R.layout.main)
        val ask = registerForActivityResult(ActivityResultContracts.RequestPermission()) {
            if (it) startCamera() else say(getString(R.string.camera_refused))
        }
        worker.execute {
            // A GPU delegate must be used by the thread that made it.
            translator = Translator(this)
            runOnUiThread { ask.launch(Manifest.permission.CAMERA) }
        }
    }

    private fun startCamera() {
        val provider = ProcessCameraProvider.getInstance(this)
        provider.addListener({
            val analysis = ImageAnalysis.Builder()
                .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
                .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
                .build()
            analysis.setAnalyzer(worker) { frame -> frame.use { show(it) } }
            provider.get().bindToLifecycle(this, CameraSelector.DEFAULT_FRONT_CAMERA, analysis)
        }, ContextCompat.getMainExecutor(this))
    }

    private fun show(frame: ImageProxy) {
        val (left, top, side) = centralSquare(frame.width, frame.height)
        val turn = Matrix().apply { postRotate(frame.imageInfo.rotationDegrees.toFloat()) }
        val before = Bitmap.createBitmap(frame.toBitmap(), left, top, side, side, turn, true)
        val began = System.nanoTime()
        val after = translator.translate(before)
        val took = (System.nanoTime() - began) / 1_000_000
        runOnUiThread {
            findViewById<ImageView>(R.id.before).setImageBitmap(before)
            findViewById<ImageView>(R.id.after).setImageBitmap(after)
            say("${translator.device}: $took ms")
        }
    }

    private fun say(text: String) {
        findViewById<TextView>(R.id.status).text = text
    }

    override fun onDestroy() {
        worker.execute { translator.close() }
        worker.shutdown()
        super.onDestroy()
    }
}

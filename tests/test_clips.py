"""Videos and animations: what is read, written and kept."""

import errno
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tf_i2i import clips
from tf_i2i.data.reading import BadImage
from tf_i2i.file_translation import translate_clip
from tf_i2i.geometry import InputSize
from tf_i2i.smoothing import SHARE
from tf_i2i.smoothing import Smoother

SIZE = InputSize(16, 4)
needs_av = pytest.mark.skipif(
    "not __import__('importlib').util.find_spec('av')",
    reason="the extra `video` is missing",
)


def levels(count, height=16, width=20):
    """Frames of one grey level each."""
    return [np.full((height, width, 3), 20 * i, np.uint8) for i in range(count)]


def animation(path, durations=(40, 80, 120), frames=None):
    first, *rest = map(Image.fromarray, frames or levels(len(durations)))
    first.save(
        path,
        save_all=True,
        append_images=rest,
        duration=[*durations],
        lossless=True,
    )
    return path


def read(path):
    """Returns the times, durations in ms and levels of the frames of a clip."""
    with clips.source(path) as clip:
        return [
            (
                float(1000 * clip.unit * frame.time),
                float(1000 * clip.unit * frame.duration),
                frame.pixels.mean(),
            )
            for frame in clip.frames()
        ]


def negative(images):
    return 255 - images


@pytest.mark.parametrize("target", ["out.gif", "sub/out.webp"])
def test_animations_keep_their_times(tmp_path, target):
    source = animation(tmp_path / "in.gif")
    target = tmp_path / target
    counts = []

    def translate(images):
        counts.append(len(images))
        return negative(images)

    assert translate_clip(translate, source, target, SIZE, batch_size=2) == 3
    assert counts == [2, 1]
    found = np.array(read(target))
    np.testing.assert_array_equal(found[:, 0], [0, 40, 120])
    np.testing.assert_array_equal(found[:, 1], [40, 80, 120])
    np.testing.assert_allclose(found[:, 2], [255, 235, 215], atol=3)
    assert [path.name for path in target.parent.glob(".*")] == []


def test_an_animation_may_have_the_longest_name(tmp_path):
    source = animation(tmp_path / "in.gif")
    target = tmp_path / f"{'x' * 251}.gif"
    assert translate_clip(negative, source, target, SIZE) == 3
    assert target.exists()


def test_a_full_disk_is_not_a_fault_of_the_input(
    tmp_path, monkeypatch, refuses
):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    source = animation(tmp_path / "in.gif")
    monkeypatch.setattr(Image.Image, "save", fail)
    with refuses("--output") as error:
        translate_clip(negative, source, tmp_path / "out.gif", SIZE)
    assert "No space left on device" in str(error.value)


def video(path, count=12, sound=True, rate=25):
    """Writes a video of 20 x 16 pixels, and a tone."""
    import av

    with av.open(path, "w") as output:
        images = output.add_stream("libx264", rate)
        images.width, images.height, images.pix_fmt = 20, 16, "yuv420p"
        tones = output.add_stream("aac", 16000) if sound else None
        for frame in levels(count):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            output.mux(images.encode(picture))
        output.mux(images.encode())
        if sound:
            wave = np.zeros((1, 16000), np.float32)
            wave += np.sin(np.arange(16000) / 9)
            tone = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            tone.sample_rate = 16000
            output.mux(tones.encode(tone))
            output.mux(tones.encode())
    return path


def packets(path):
    """Returns the content of the packets of sound."""
    import av

    with av.open(path) as container:
        return [bytes(p) for p in container.demux(audio=0) if p.size]


@needs_av
def test_a_video_keeps_its_times_and_its_sound(tmp_path, capsys):
    source, target = video(tmp_path / "in.mp4"), tmp_path / "out.mp4"
    assert translate_clip(negative, source, target, SIZE, restore=True) == 12
    before, after = (np.array(read(path)) for path in (source, target))
    np.testing.assert_allclose(after[:, 0], before[:, 0], atol=1)
    np.testing.assert_allclose(after[:, 2], 255 - before[:, 2], atol=6)
    assert packets(target) == packets(source) != []
    # WebM has no AAC, and a GIF no sound.
    for name in ("out.webm", "out.gif"):
        translate_clip(negative, source, tmp_path / name, SIZE)
        assert "sound is left out" in capsys.readouterr().err
        assert len(read(tmp_path / name)) == 12


@needs_av
def test_an_animation_becomes_a_video(tmp_path):
    source = animation(tmp_path / "in.webp")
    translate_clip(negative, source, tmp_path / "out.mkv", SIZE)
    times = [time for time, _, _ in read(tmp_path / "out.mkv")]
    np.testing.assert_allclose(times, [0, 40, 120], atol=1)


@needs_av
def test_a_playlist_is_no_video(tmp_path):
    """It could name any file of the machine."""
    video(tmp_path / "real.mp4")
    listed = "#EXTM3U\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.mp4").write_text(listed)
    for content in (listed, "", "ffconcat version 1.0\nfile real.mp4\n"):
        (tmp_path / "list.mp4").write_text(content)
        with pytest.raises(BadImage), clips.source(tmp_path / "list.mp4"):
            pass


@needs_av
def test_a_failure_leaves_the_earlier_file(tmp_path):
    source = video(tmp_path / "in.mp4", sound=False)
    target = tmp_path / "out.mp4"
    target.write_text("earlier")

    def fail(images):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        translate_clip(fail, source, target, SIZE)
    assert target.read_text() == "earlier"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_frames_are_turned_upright():
    pixels = np.arange(12).reshape(2, 2, 3)
    # A phone that was held upright states -90: turned clockwise.
    np.testing.assert_array_equal(
        clips._upright(pixels, -90)[0, 0], pixels[1, 0]
    )
    np.testing.assert_array_equal(clips._upright(pixels, 0), pixels)


def test_times_only_grow():
    assert clips._next_time(None, None) == 0
    assert clips._next_time(7, None) == 7
    assert clips._next_time(5, 7) == clips._next_time(None, 7) == 8


def test_frames_of_one_size_are_needed():
    shapes = [(16, 20), (20, 16)]

    class Changing(clips.Clip):
        path, unit = "in.mp4", Fraction(1)

        def _frames(self, sound_fn):
            for height, width in shapes:
                yield clips.Frame(levels(1, height, width)[0], 0, 1)

    for wrong in (shapes, [], [(1, 90)]):
        shapes = wrong
        with pytest.raises(BadImage):
            list(Changing().frames())


def test_smoothing_averages_what_does_not_change():
    pytest.importorskip("cv2", reason="the extra `video` is missing")
    smooth = Smoother()
    frame, other = levels(12, 32, 32)[1::10]
    dark, light = levels(6, 32, 32)[0::5]
    np.testing.assert_array_equal(smooth(frame, dark), dark)
    assert np.all(smooth(frame, light) == round(100 * (1 - SHARE)))
    # A new scene is not blended with the last one.
    np.testing.assert_array_equal(smooth(other, light), light)


def test_smoothing_follows_a_movement():
    pytest.importorskip("cv2", reason="the extra `video` is missing")
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
    wide = np.array(noise.resize((72, 72), Image.Resampling.BICUBIC))
    smooth = Smoother()
    flicker = [8, -8] * 3
    for i, change in enumerate(flicker):
        frame = wide[4:68, 2 * i : 2 * i + 48]
        made = np.uint8(np.clip(frame / 2.0 + 60 + change, 0, 255))
        result = smooth(frame, made)
    inside = (slice(8, -8), slice(8, -8))
    wrong = np.abs(result - (frame / 2.0 + 60))[inside].mean()
    assert wrong < 4


@pytest.mark.parametrize(
    ("name", "moving", "expected"),
    [
        ("out.mp4", False, True),
        ("out.gif", False, False),
        ("out.gif", True, True),
        ("out.webp", False, False),
        ("out.webp", True, True),
        ("out.png", True, False),
    ],
)
def test_the_name_of_the_output_says_what_is_written(
    tmp_path, name, moving, expected
):
    durations = (40, 80) if moving else (40,)
    source = animation(tmp_path / "in.gif", durations)
    assert clips.is_clip([source], tmp_path / name) == expected


def test_videos_are_known_by_their_names():
    assert clips.is_video(SimpleNamespace(suffix=".MP4"))
    assert not clips.is_video(SimpleNamespace(suffix=".gif"))

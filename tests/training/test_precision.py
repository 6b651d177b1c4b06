"""How `train.precision` and `train.jit_compile` of "auto" are decided."""

import pytest

from tf_i2i.training import devices


@pytest.mark.parametrize(
    ("features", "precision"),
    [
        (
            "vendor_id : AuthenticAMD\nflags : fpu avx512f avx512_bf16",
            "mixed_bfloat16",
        ),
        ("vendor_id : GenuineIntel\nflags : fpu avx512_bf16", "float32"),
        (
            "vendor_id : GenuineIntel\nflags : fpu avx512_bf16 amx_bf16",
            "mixed_bfloat16",
        ),
        ("Features : fp asimd sve svebf16", "mixed_bfloat16"),
        ("flags : fpu avx2 avx512f", "float32"),
        (None, "float32"),
    ],
)
def test_features_decide(features, precision, tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    if features:
        path.write_text(f"processor : 0\n{features}\n")
    monkeypatch.setattr(devices, "_CPU_INFO", path)
    assert devices.fastest_precision() == precision


@pytest.mark.parametrize("gpus", [(), ("a GPU",)])
def test_xla_compiles_on_gpus_by_itself(gpus, monkeypatch):
    monkeypatch.setattr(
        devices.tf.config, "list_physical_devices", lambda kind: gpus
    )
    assert devices.compiles_by_xla("auto") == bool(gpus)
    assert devices.compiles_by_xla(True)
    assert not devices.compiles_by_xla(False)

"""How torch computes in this process, and by which variables of the environment: whatever a program or a user may set
that changes numbers, by names that can be read."""

import os
from operator import attrgetter

import torch

FLOAT32 = ("cuda.matmul", "cudnn.conv", "cudnn.rnn", "mkldnn.matmul", "mkldnn.conv")
"""Parts of torch.backends with a precision of their own, which the older, common settings set too."""
SWITCHES = {
    "cudnn": "cudnn.enabled",
    "cudnn searches for the fastest": "cudnn.benchmark",
    "cudnn is deterministic": "cudnn.deterministic",
    "bfloat16 sums in bfloat16": "cuda.matmul.allow_bf16_reduced_precision_reduction",
    "float16 sums in float16": "cuda.matmul.allow_fp16_reduced_precision_reduction",
    "float16 accumulates in float16": "cuda.matmul.allow_fp16_accumulation",
    "mkldnn": "mkldnn.enabled",
    "mkldnn is deterministic": "mkldnn.deterministic",
}
"""Name -> attribute of torch.backends."""
ATTENTION = ("flash_sdp", "mem_efficient_sdp", "math_sdp", "cudnn_sdp")
"""Kernels that scaled dot product attention may take."""
NVIDIA = ["NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "CUBLASLT_WORKSPACE_SIZE", "CUBLAS_EMULATION_STRATEGY"]
NVIDIA += ["CUBLAS_EMULATE_SINGLE_PRECISION", "CUBLAS_EMULATE_DOUBLE_PRECISION", "CUDA_FORCE_PTX_JIT"]
TORCH = ["TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "TORCH_BLAS_PREFER_CUBLASLT", "TORCH_BLAS_PREFER_HIPBLASLT"]
TORCH += ["TORCH_CUDNN_SDPA_ENABLED", "TORCH_CUDNN_V8_API_DISABLED", "TORCH_LINALG_PREFER_CUSOLVER"]
TORCH += ["PYTORCH_TUNABLEOP_ENABLED", "PYTORCH_TUNABLEOP_TUNING", "PYTORCH_TUNABLEOP_FILENAME"]
TORCH += ["DISABLE_ADDMM_CUDA_LT", "PYTORCH_MPS_FAST_MATH", "PYTORCH_MPS_PREFER_METAL", "ATEN_CPU_CAPABILITY"]
TRANSFORMERS = ["FLASH_ATTENTION_DETERMINISTIC", "USE_HUB_KERNELS"]
PROCESSOR = ["ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"]
PROCESSOR += [
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "KMP_DETERMINISTIC_REDUCTION",
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
]
VARIABLES = [*NVIDIA, *TORCH, *TRANSFORMERS, *PROCESSOR]
"""Variables that change how sums and products are computed."""


def settings() -> dict[str, str]:
    """Return every setting of this process that changes how torch computes, as text."""
    on = torch.backends
    found = {"default type": str(torch.get_default_dtype()).removeprefix("torch.")}
    modes = ("no", "only warned of", "yes")
    strict = torch.are_deterministic_algorithms_enabled() + (
        torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
    )
    found["deterministic algorithms"] = modes[strict]
    for name, place in SWITCHES.items():
        try:
            found[name] = str(attrgetter(place)(on))
        except AttributeError:  # another torch has no such switch
            found[name] = "absent"
    kernels = [name.removesuffix("_sdp") for name in ATTENTION if getattr(on.cuda, f"{name}_enabled")()]
    found["attention kernels"] = " ".join(kernels)
    found["attention sums in half precision"] = str(on.cuda.fp16_bf16_reduction_math_sdp_allowed())
    try:
        found |= {f"float32 of {part}": attrgetter(f"{part}.fp32_precision")(on) for part in FLOAT32}
    except AttributeError:  # torch before 2.9
        found |= {
            "float32 of products": torch.get_float32_matmul_precision(),
            "TF32 of cudnn": str(on.cudnn.allow_tf32),
        }
    tiny = torch.tensor(5e-324, dtype=torch.float64)
    found["denormals"] = "kept" if (tiny * 1).item() else "flushed"
    return found


def environment() -> dict[str, str]:
    """Return those of `VARIABLES` that are set."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}

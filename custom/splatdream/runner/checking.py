"""Whether a run can begin, told before anything of it is made."""

from ..host import find
from ..priors.content import prior_content
from ..priors.registered import RegisteredClosedFormPrior
from ..startup.configuration import check_configuration
from .request import RunRequest


def check_request(request: RunRequest) -> None:
    """Reads the configuration with everything that it names, finds the prior's model, and reads the prompt.

    Raises:
        FileNotFoundError: the configuration or a model is nowhere to be found.
        ValueError: a key, a format or a prompt that is none.
    """
    check_configuration(request.config, request.settings())
    system = request.configuration()["system"]
    guidance, guidance_type = system.get("guidance") or {}, system.get("guidance_type")
    default = getattr(find(guidance_type).Config, "prior_type", None) if guidance_type else None
    prior_type = guidance.get("prior_type", default)
    if prior_type is None:
        return
    prior = guidance.get("prior") or {}
    prior_content(prior_type, prior)
    processor = system.get("prompt_processor") or {}
    # Other priors read every text, and debiasing is a network's work.
    if issubclass(find(prior_type), RegisteredClosedFormPrior) and not processor.get("debiasing_model"):
        texts = find(system["prompt_processor_type"])(processor)().texts
        find(prior_type)(prior)().encode_texts(texts)

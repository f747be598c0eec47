"""Score distillation into 3D Gaussians: a threestudio-style plugin that also runs without threestudio.

`import splatdream` is quick and registers nothing, unless threestudio is importing its plugins.
"""

from .startup.registration import register_under_threestudio

__version__ = "0.1.0"

register_under_threestudio()

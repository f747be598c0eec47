"""Front door: importing this file registers the plugin.

It also works as a single file in the `custom` folder of a threestudio checkout, where splatdream is installed.
"""

from splatdream.startup.registration import register_all

register_all()

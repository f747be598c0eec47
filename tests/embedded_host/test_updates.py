from splatdream.embedded_host.base import BaseModule, BaseObject, Updateable
from torch import nn


class Counter(BaseObject):
    def configure(self):
        self.seen = []

    def update_step(self, epoch, global_step, on_load_weights=False):
        self.seen.append(global_step)


class Module(BaseModule):
    def configure(self):
        self.seen = []

    def update_step(self, epoch, global_step, on_load_weights=False):
        self.seen.append(global_step)


class Owner(nn.Module, Updateable):
    def __init__(self):
        super().__init__()
        self.child = Module({})
        self.child.counter = Counter({})
        self.same_counter = self.child.counter
        self.child.owner = (self,)
        self._private = Counter({})

    @property
    def broken(self):
        raise AssertionError("properties are not evaluated")


def test_each_public_updateable_is_updated_once():
    owner = Owner()
    owner.do_update_step(0, 7)
    assert owner.child.seen == [7]
    assert owner.same_counter.seen == [7]
    assert owner._private.seen == []


def test_a_cycle_ends():
    first, second = Counter({}), Counter({})
    first.other, second.other = second, first
    first.do_update_step(0, 3)
    assert first.seen == second.seen == [3]


def test_a_module_knows_its_device_while_it_is_configured():
    class Curious(BaseModule):
        def configure(self):
            self.device_then = str(self.device)

    assert Curious({}).device_then == "cpu"
    assert str(Curious({}).to("meta").device) == "meta"

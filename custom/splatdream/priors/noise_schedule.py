"""The variance-preserving process under its former name."""

from .noise_process import VariancePreserving as NoiseSchedule

__all__ = ["NoiseSchedule"]

import math

import pytest
import torch
from splatdream.evaluation.image_metrics import MAX_PSNR, psnr, silhouette_iou, ssim


def test_psnr_of_a_constant_error_is_its_logarithm():
    reference = torch.full((3, 8, 8, 3), 0.5)
    errors = torch.tensor([0.1, 0.01, 0.0])
    values = psnr(reference + errors[:, None, None, None], reference)
    torch.testing.assert_close(values, torch.tensor([20.0, 40.0, MAX_PSNR]), atol=1e-3, rtol=0)


def test_ssim_is_that_of_scikit_image(generator):
    structural_similarity = pytest.importorskip("skimage.metrics").structural_similarity
    reference = torch.rand(3, 24, 30, 3, generator=generator, dtype=torch.float64)
    images = (reference + 0.2 * torch.randn(reference.shape, generator=generator)).clamp(0, 1)
    for value, image, other in zip(ssim(images, reference), images, reference, strict=True):
        _, full = structural_similarity(
            image.numpy(), other.numpy(), data_range=1.0, channel_axis=-1, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, full=True,
        )  # fmt: skip
        # Windows that lie wholly in the image.
        assert float(value) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)


def test_ssim_is_one_for_equal_images_and_falls_with_noise(generator):
    reference = torch.rand(1, 32, 32, 3, generator=generator)
    noise = torch.randn(1, 32, 32, 3, generator=generator)
    values = [float(ssim(reference + strength * noise, reference)) for strength in (0.0, 0.1, 0.3, 1.0)]
    assert values[0] == pytest.approx(1.0, abs=1e-5)
    assert values == sorted(values, reverse=True)


def test_ssim_of_images_smaller_than_its_window_is_refused():
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(torch.zeros(1, 8, 20, 3), torch.zeros(1, 8, 20, 3))


def test_silhouettes_overlap_by_area():
    a, b = torch.zeros(2, 10, 10, 1), torch.zeros(2, 10, 10, 1)
    a[0, :, :6] = 1.0
    b[0, :, 4:] = 0.8
    values = silhouette_iou(a, b)
    assert float(values[0]) == pytest.approx(2 / 10)
    assert float(values[1]) == 1.0  # both empty
    assert not math.isnan(float(values.sum()))

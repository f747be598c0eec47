"""A random Shap-E pipeline, small enough to be built in a second: files as the hub has them."""

from pathlib import Path

import torch
from diffusers import HeunDiscreteScheduler, PriorTransformer, ShapEPipeline
from diffusers.pipelines.shap_e import ShapERenderer
from tiny_models import _tokenizer
from transformers import CLIPTextConfig, CLIPTextModelWithProjection


def make_tiny_shap_e(folder: Path) -> Path:
    """A ShapEPipeline whose object is a network of 8 channels."""
    torch.manual_seed(3)
    width = 16
    text_config = CLIPTextConfig(
        vocab_size=_tokenizer().vocab_size,
        hidden_size=width,
        projection_dim=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=_tokenizer().bos_token_id,
        eos_token_id=_tokenizer().eos_token_id,
    )
    prior = PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=width,
        embedding_dim=width,
        num_embeddings=32,
        num_layers=1,
        time_embed_dim=4 * width,
        embedding_proj_dim=width,
        clip_embed_dim=2 * width,
        additional_embeddings=0,
        time_embed_act_fn="gelu",
        norm_in_type="layer",
        encoder_hid_proj_type=None,
        added_emb_type=None,
    )
    shapes = ((8, 93), (8, 8), (8, 8), (8, 8))
    renderer = ShapERenderer(param_shapes=shapes, d_latent=width, d_hidden=8, n_output=12)
    scheduler = HeunDiscreteScheduler(
        beta_schedule="exp",
        num_train_timesteps=1024,
        prediction_type="sample",
        use_karras_sigmas=True,
        clip_sample=True,
        clip_sample_range=1.0,
    )
    text_encoder = CLIPTextModelWithProjection(text_config)
    ShapEPipeline(prior, text_encoder, _tokenizer(), scheduler, renderer).save_pretrained(folder)
    return folder

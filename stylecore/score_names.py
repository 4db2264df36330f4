"""The scores of a finished picture by name: what each measures and which direction is better. No torch, for sheets."""

from __future__ import annotations

SCORES: dict[str, str] = {
    "style_gram": "Relative distance of Gram matrices to the style's, on layers the render did not use; lower is "
    "closer to the style, 0 is equal.",
    "style_wasserstein2": "Relative Wasserstein-2 distance of the features' means and covariances to the style's, on "
    "layers the render did not use; lower is closer to the style, 0 is equal.",
    "style_sliced_wasserstein": "Relative distance of the features' whole distribution to the style's, over random "
    "directions, on layers the render did not use; lower is closer to the style, 0 is equal.",
    "content_features": "Mean squared difference of features to the content's, in units of their variance, on layers "
    "the render did not use; lower is closer to the content, 0 is equal.",
    "content_cfsd": "Divergence of the picture's self-similarity from the content's: which places look alike, whatever "
    "they look like; lower keeps more of the layout, 0 is equal.",
    "content_ssim": "Structural similarity of brightness to the content, -1 to 1; higher is closer to the content, "
    "1 is equal.",
    "health_clipped": "Share of pixels with a channel at 0 or 255, 0 to 1; lower is better, unless content or style "
    "have as many.",
    "health_total_variation": "Mean absolute difference of neighbouring pixels in levels of 255; much above the "
    "style's is noise, much below is blur.",
    "health_flatness": "Share of blocks of 8 × 8 pixels without any texture, 0 to 1; lower is better, unless content "
    "or style are as flat.",
}
"""Scores by name, in the order they are listed, each with its meaning and direction in one line."""

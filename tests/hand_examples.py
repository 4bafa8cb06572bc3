"""Hands to compute losses of, and what the tests of hands share."""

import dataclasses

import torch

from lossbook.hands import HandPrediction, HandTarget


def points(*shape, seed=0, scale=0.2):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def whole(batch=3):
    prediction = HandPrediction(
        keypoints_2d=points(batch, 21, 2),
        keypoints_3d=points(batch, 21, 3, seed=1, scale=40),
        vertices=points(batch, 778, 3, seed=2, scale=40),
        betas=points(batch, 10, seed=3, scale=1),
        hand_pose=torch.eye(3).repeat(batch, 15, 1, 1) * 0.5,
        coarse_pose=points(batch, 48, seed=4, scale=1),
        coarse_shape=points(batch, 10, seed=5, scale=1),
    )
    target = HandTarget(
        keypoints_2d=points(batch, 21, 2, seed=6),
        confidence_2d=torch.rand(batch, 21, generator=torch.Generator().manual_seed(11)),
        keypoints_3d=points(batch, 21, 3, seed=7, scale=40),
        confidence_3d=torch.rand(batch, 21, generator=torch.Generator().manual_seed(12)),
        vertices=points(batch, 778, 3, seed=8, scale=40),
        pose=points(batch, 48, seed=9, scale=1),
        shape=points(batch, 10, seed=10, scale=1),
    )
    return prediction, target


def changed(container, **fields):
    return dataclasses.replace(container, **fields)


def picked(container, samples):
    """Some samples of a container."""
    return type(container)(**{k: None if v is None else v[samples] for k, v in fields(container)})


def fields(container):
    return [(field.name, getattr(container, field.name)) for field in dataclasses.fields(container)]

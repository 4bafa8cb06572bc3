import pytest
import torch

from lossbook.lab.landmarks.crops import Augmentation, augment, crop, mean_shape
from lossbook.lab.landmarks.scheme import WFLW98_FLIP

FLIP = list(WFLW98_FLIP)


def dotted(count=6):
    """Pictures black but for one soft bright dot, and the dot's place as every landmark."""
    generator = torch.Generator().manual_seed(0)
    place = torch.rand(count, 2, generator=generator) * torch.tensor([40.0, 50.0]) + 28
    y, x = torch.meshgrid(torch.arange(112) + 0.5, torch.arange(92) + 0.5, indexing="ij")
    distance = (x - place[:, 0, None, None]) ** 2 + (y - place[:, 1, None, None]) ** 2
    images = (255 * torch.exp(-distance / 18)).to(torch.uint8)
    return images, place[:, None].expand(count, 98, 2).clone(), torch.zeros(count, 3)


def centre_of_light(images):
    side = images.shape[-1]
    weights = images[:, 0] / images[:, 0].sum((1, 2), keepdim=True)
    along = torch.arange(side) + 0.5
    return torch.stack([(weights * along).sum((1, 2)), (weights * along[:, None]).sum((1, 2))], -1)


@pytest.mark.parametrize("size", [64, 112, 150])
@pytest.mark.parametrize("seed", range(4))
def test_landmarks_stay_on_their_pixels(size, seed):
    generator = torch.Generator().manual_seed(seed)
    amount = Augmentation(rotation=40.0, scale=0.2, shift=0.1, brightness=0.0, contrast=0.0)
    views = augment(*dotted(), generator, size=size, amount=amount)
    assert (centre_of_light(views.images) - views.landmarks[:, 0]).abs().max() < 0.3


def test_a_plain_crop_is_the_picture_itself(faces):
    views = crop(faces.images[:3], faces.landmarks[:3], faces.angles[:3])
    torch.testing.assert_close(views.images[:, 0, :, 10:-10], faces.images[:3] / 255)
    torch.testing.assert_close(views.landmarks, faces.landmarks[:3] + torch.tensor([10.0, 0.0]))
    assert torch.equal(views.angles, faces.angles[:3])
    # Beside the picture its edge is repeated.
    assert torch.equal(views.images[:, 0, :, 0], views.images[:, 0, :, 9])


def test_flipping_twice_is_the_identity(faces):
    ones = torch.ones(5)
    once = crop(faces.images[:5], faces.landmarks[:5], faces.angles[:5], flip=ones)
    again = crop(
        (once.images[:, 0] * 255).round().to(torch.uint8), once.landmarks, once.angles, flip=ones
    )
    plain = crop(faces.images[:5], faces.landmarks[:5], faces.angles[:5])
    torch.testing.assert_close(again.images, plain.images)
    torch.testing.assert_close(again.landmarks, plain.landmarks)
    torch.testing.assert_close(again.angles, plain.angles)
    assert not torch.equal(once.landmarks, plain.landmarks)


def test_a_flipped_face_still_has_its_left_eye_at_the_left(faces):
    once = crop(
        faces.images[:9], faces.landmarks[:9], faces.angles[:9], flip=torch.ones(9)
    ).landmarks
    assert (once[:, 60, 0] < once[:, 72, 0]).all()
    assert (once[:, 0, 0] < once[:, 32, 0]).all()


def test_turning_adds_to_roll_and_mirroring_changes_the_signs_of_yaw_and_roll():
    images, landmarks, _ = dotted(1)
    angles = torch.tensor([[0.1, 0.2, 0.3]])
    turned = crop(images, landmarks, angles, rotation=torch.tensor([0.5]))
    torch.testing.assert_close(turned.angles, torch.tensor([[0.1, 0.2, 0.8]]))
    both = crop(images, landmarks, angles, rotation=torch.tensor([0.5]), flip=torch.ones(1))
    torch.testing.assert_close(both.angles, torch.tensor([[0.1, -0.2, -0.8]]))


def test_a_turned_face_rolls_by_the_angle_its_eyes_show(faces):
    some = torch.arange(0, 400, 40)
    views = augment(
        faces.images[some],
        faces.landmarks[some],
        faces.angles[some],
        torch.Generator().manual_seed(0),
        amount=Augmentation(rotation=40.0),
    )
    eyes = views.landmarks[:, 72] - views.landmarks[:, 60]
    slope = torch.atan2(-eyes[:, 1], eyes[:, 0])
    assert torch.rad2deg((slope - views.angles[:, 2]).abs()).max() < 5


def test_augmentation_depends_on_the_generator_alone(faces):
    arguments = (faces.images[:4], faces.landmarks[:4], faces.angles[:4])
    one, two, other = (
        augment(*arguments, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.landmarks, two.landmarks)
    assert not torch.equal(one.images, other.images)
    assert one.images.min() >= 0
    assert one.images.max() <= 1


def test_the_mean_shape_is_symmetric(faces):
    shape = mean_shape(faces, torch.arange(400))
    mirrored = torch.stack([112 - shape[FLIP, 0], shape[FLIP, 1]], -1)
    torch.testing.assert_close(mirrored, shape)

"""The hand whose pose and shape a reader moves is the hand model."""

import math

import pytest
import sympy as sp
import torch

from lossbook.lab.hands import anatomy
from lossbook.lab.hands.kinematics import Hand, finger_pose


@pytest.mark.parametrize(("bend", "longer"), [(0.0, 0.0), (10.0, 0.0), (37.0, -2.5), (90.0, 3.0)])
def test_its_joints_are_those_of_the_hand_model(bend, longer):
    flexion = 0.2 * torch.tensor(
        [[0.3, 0.3, 0.3], [0.5, 0.7, 0.4], [0.7, 0.8, 0.5], [0.8, 0.9, 0.5], [0.9, 0.9, 0.5]]
    )
    flexion[1, 0] = math.radians(bend)
    pose, shape = torch.zeros(1, 48), torch.zeros(1, 10)
    pose[:, 3:] = finger_pose(flexion[None], torch.tensor([[0.2, 0.0, 0.0, -0.1, -0.2]]))
    shape[0, 3] = longer
    wanted = 1000 * Hand()(pose, shape)[0]
    angle, length = sp.symbols("angle length", real=True)
    at = {angle: math.radians(bend), length: longer}
    found = [[float(v.subs(at)) for v in joint] for joint in anatomy.posed(angle, length)]
    torch.testing.assert_close(torch.tensor(found), wanted, rtol=0, atol=0.03)

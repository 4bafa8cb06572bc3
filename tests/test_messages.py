"""Realistic mistakes: each message names the argument, says what came, and gives the fix."""

# ruff: noqa: E501  (one row a mistake)

import warnings

import numpy as np
import pytest
import torch

import lossbook
from lossbook import LossTerms
from lossbook.hands import (
    HandLoss,
    HandLossWeights,
    HandPrediction,
    HandTarget,
    Keypoint2DLoss,
    Keypoint3DLoss,
    RotationLoss,
    auxiliary_loss,
    keypoint_2d_loss,
    keypoint_3d_loss,
    mano_prior_loss,
    mpjpe,
    rotation_loss,
    vertex_loss,
)
from lossbook.inversion import (
    CosineMarginLoss,
    InversionLoss,
    UncertaintyWeights,
    center_loss,
    cosine_margin_loss,
    feature_l2_loss,
    guidance_consistency_loss,
    info_nce_loss,
    staged_schedule,
)
from lossbook.landmarks import (
    PFLDLoss,
    SmoothL1Loss,
    WingLoss,
    attribute_weight,
    nme,
    pfld_loss,
    pose_weight,
    smooth_l1_loss,
    wing_loss,
)
from lossbook.motion import (
    MotionLoss,
    Part,
    Parts,
    last_frame_loss,
    motion_l1,
    motion_metrics,
    pva_loss,
)

PEOPLE = torch.eye(4, 8)
OTHERS = torch.ones(4, 16, 8)
FACES = torch.zeros(4, 98, 2)
ANGLES = torch.zeros(4, 3)
CLIPS = torch.zeros(4, 80, 265)
FRAMES = torch.arange(80) < torch.tensor([[80], [64], [12], [80]])
MOVING = torch.linspace(-1, 1, 80)[:, None].expand(4, -1, 265)
HANDS_2D, HANDS_3D = torch.zeros(4, 21, 2), torch.zeros(4, 21, 3)
VISIBLE = torch.full((4, 21), 2)
PAIR = LossTerms({"l2": torch.tensor(1.0)}, {"l2": 1.0})
HAND_ONLY = {"w_2d": 0, "w_3d_joint": 0, "w_aux": 0}
PREDICTION = {"keypoints_2d": HANDS_2D, "betas": torch.zeros(4, 10)}


def pfld(**replaced):
    inputs = {"landmarks": FACES, "landmarks_target": FACES, "angles": ANGLES}
    return pfld_loss(**inputs | {"angles_target": ANGLES} | replaced)


def checked(function, *arguments, **options):
    with lossbook.check_values():
        return function(*arguments, **options)


def warned(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked(function, *arguments, **options)


def only_2d(target, **options):
    return HandLoss(optional=("3d_joint", "aux"), **options)(PREDICTION, target)


# What was done, the error, what it is about, what came, and the fix.
MISTAKES = {
    "nothing": (lambda: wing_loss(None, FACES), TypeError, "input is missing", "got None", "must be a torch.Tensor"),
    "a forgotten label": (lambda: wing_loss(FACES, None), TypeError, "target is missing", "got None", "must be a torch.Tensor"),
    "an array": (lambda: wing_loss(FACES, np.zeros((4, 98, 2))), TypeError, "target", "got ndarray", r"torch.as_tensor\(target\)"),
    "a list": (lambda: smooth_l1_loss([1.0], FACES), TypeError, "input", "got list", r"torch.as_tensor\(input\)"),
    "a batch of the loader": (lambda: wing_loss(FACES, {"points": FACES}), TypeError, "target", "got dict with the keys points", "pass one of its values"),
    "pixels as integers": (lambda: wing_loss(FACES, FACES.int()), TypeError, "target", "got torch.int32", r"target.float\(\)"),
    "another shape": (lambda: wing_loss(FACES, FACES.flatten(1)), ValueError, "input and target", r"target \(4, 196\)", r"pass target.unflatten\(1, \(98, 2\)\)"),
    "a transposed batch": (lambda: keypoint_2d_loss(HANDS_2D.mT, HANDS_2D), ValueError, "input", r"got \(4, 2, 21\)", r"\(B, N, 2\)"),
    "a face that is no batch": (lambda: pfld(landmarks=FACES[0, 0]), ValueError, "landmarks", r"got \(2,\)", r"\(B, 2N\) or \(B, N, 2\)"),
    "a mask of points": (lambda: wing_loss(FACES, FACES, weight=torch.ones(98)), ValueError, "weight", r"got \(98,\)", r"every sample pass weight\[None\]$"),
    "a mask of joints": (lambda: keypoint_3d_loss(HANDS_3D, HANDS_3D, confidence=torch.ones(21)), ValueError, "confidence", r"got \(21,\)", r"confidence\[None\]$"),
    "visibility": (lambda: keypoint_2d_loss(HANDS_2D, HANDS_2D, confidence=VISIBLE), TypeError, "confidence", "got torch.int64", "visibility > 0"),
    "visibility as a weight": (lambda: vertex_loss(HANDS_3D, HANDS_3D, weight=VISIBLE), TypeError, "weight", "got torch.int64", "visibility > 0"),
    "a list of weights": (lambda: wing_loss(FACES, FACES, weight=[1, 1, 1, 1]), TypeError, "weight", "got list", r"torch.as_tensor\(weight\)"),
    "options by position": (lambda: WingLoss(10, 2), TypeError, "WingLoss", r"got \(10, 2\)", "by keyword.* w, epsilon, reduction"),
    "an option by position": (lambda: SmoothL1Loss(0.5), TypeError, "SmoothL1Loss", r"got \(0.5,\)", "by keyword.*beta"),
    "a reduction by position": (lambda: Keypoint2DLoss("mean"), TypeError, "Keypoint2DLoss", r"got \('mean',\)", "by keyword.*reduction"),
    "tensors for options": (lambda: WingLoss(FACES, FACES), TypeError, "WingLoss", r"got a tensor \(4, 98, 2\), a tensor \(4, 98, 2\)", r"make the loss first, then call it: WingLoss\(\)\(\.\.\.\)"),
    "an option that there is not": (lambda: WingLoss(omega=10.0), TypeError, "WingLoss", "no option 'omega'", "there are w, epsilon, reduction"),
    "a misspelt option": (lambda: MotionLoss(use_reg=True), TypeError, "MotionLoss", "no option 'use_reg'", "did you mean use_reg_loss"),
    "a mask by its name": (lambda: wing_loss(FACES, FACES, mask=VISIBLE), TypeError, "wing_loss", "takes no 'mask'", "pass a mask or weight as weight="),
    "the label first": (lambda: warned(wing_loss, FACES, FACES.clone().requires_grad_()), UserWarning, "target", "requires a gradient and input does not", "pass the prediction first"),
    "degrees": (lambda: checked(pose_weight, ANGLES + 30, ANGLES), ValueError, "angles", "largest value is 30", "torch.deg2rad.*degrees=True"),
    "degrees of a hand": (lambda: checked(auxiliary_loss, ANGLES, ANGLES, ANGLES + 90, ANGLES), ValueError, "pose_target", "largest value is 90", "torch.deg2rad"),
    "a learned w": (lambda: wing_loss(FACES, FACES, w=torch.tensor(10.0)), TypeError, "w must be", "got Tensor", r"float\(w\)"),
    "w from numpy": (lambda: wing_loss(FACES, FACES, w=np.float32(10)), TypeError, "w must be", "got float32", r"convert it with float\(w\)"),
    "w as an array": (lambda: WingLoss(w=np.array(10.0)), TypeError, "w must be", "got ndarray", r"convert it with float\(w\)"),
    "w as a list": (lambda: WingLoss(w=np.ones(2)), TypeError, "w must be", "got ndarray", "pass an int or a float"),
    "w as text": (lambda: WingLoss(w="10"), TypeError, "w must be", "got str", "pass an int or a float"),
    "epsilon of zero": (lambda: WingLoss(epsilon=0), ValueError, "epsilon", "got 0", "greater than 0"),
    "beta of nothing": (lambda: SmoothL1Loss(beta=None), TypeError, "beta", "got NoneType", "leave it out"),
    "a misspelt term": (lambda: PAIR["L2"], KeyError, "no term", "'L2'", "did you mean l2\\? There are total, l2"),
    "losses added up": (lambda: PAIR + torch.tensor(1.0), TypeError, "LossTerms", "Tensor", "total"),
    "a loss in a format": (lambda: f"{PAIR:.4f}", TypeError, "LossTerms", "more than one number", r"\{loss.total:.4f\}"),
    "the item of a loss": (lambda: PAIR.item(), TypeError, "LossTerms", "more than one number", r"loss.total.item\(\)"),
    "a loss as a number": (lambda: float(PAIR), TypeError, "LossTerms", "more than one number", r"float\(loss.total\)"),
    "a loss as a list": (lambda: torch.stack([*PAIR]), TypeError, "LossTerms", "not iterable", r"loss.total.*loss.terms.items\(\)"),
    "a loss to be scaled": (lambda: torch.amp.GradScaler("cpu").scale(PAIR), TypeError, "LossTerms", "not iterable", r"scaler.scale\(loss.total\)"),
    "a column": (lambda: keypoint_2d_loss(HANDS_2D, HANDS_3D), ValueError, "target", r"got \(4, 21, 3\)", "confidence='last'.*drop it"),
    "a column in 3D": (lambda: keypoint_3d_loss(HANDS_3D, torch.zeros(4, 21, 4)), ValueError, "target", r"got \(4, 21, 4\)", r"drop it with target\[..., :3\]"),
    "a column that is not there": (lambda: keypoint_2d_loss(HANDS_2D, HANDS_2D, confidence="last"), ValueError, "target", r"got \(4, 21, 2\)", r"\(B, N, 3\)"),
    "another name of the column": (lambda: keypoint_2d_loss(HANDS_2D, HANDS_3D, confidence="column"), ValueError, "confidence", "got 'column'", "'last' for the last column"),
    "two devices": (lambda: wing_loss(FACES, FACES.to("meta")), ValueError, "input.*target", "target is on meta", r"move one with .to\(\)"),
    "a mask elsewhere": (lambda: wing_loss(FACES, FACES, weight=torch.ones(4, device="meta")), ValueError, "weight", "weight is on meta", r"weight.to\(input.device\)"),
    "float64 from numpy": (lambda: wing_loss(FACES, FACES.double()), TypeError, "target", "target is torch.float64", r"convert with target.float\(\)"),
    "a misspelt field": (lambda: only_2d({"keypoint_2d": HANDS_2D}), ValueError, "target", "'keypoint_2d'", "did you mean 'keypoints_2d'"),
    "a label in the prediction": (lambda: HandLoss()({"pose": ANGLES}, {}), ValueError, "prediction", "'pose'", "it knows keypoints_2d"),
    "a loader's batch": (lambda: only_2d({"keypoints_2d": HANDS_2D, "image": FACES}), ValueError, "target", "'image'", r"pass HandTarget.pick\(target\)"),
    "a loader's batch of nothing": (lambda: HandTarget.pick({"image": FACES, "id": 3}), ValueError, "HandTarget", "none of the keys image, id", "rename those .* keypoints_2d"),
    "a confidence of any dimension": (lambda: warned(HandTarget.pick, {"keypoints_2d": HANDS_2D, "confidence": VISIBLE}), UserWarning, "HandTarget.pick", "passes over 'confidence'", "did you mean 'confidence_2d' or 'confidence_3d', which are not there"),
    "keypoints of any dimension": (lambda: warned(HandTarget.pick, {"pose": ANGLES, "keypoints": HANDS_2D}), UserWarning, "HandTarget.pick", "passes over 'keypoints'", "did you mean 'keypoints_2d' or 'keypoints_3d'"),
    "keypoints in short": (lambda: warned(HandTarget.pick, {"keypoints_2d": HANDS_2D, "kp3d": HANDS_3D}), UserWarning, "HandTarget.pick", "passes over 'kp3d'", "did you mean 'keypoints_3d', which is not there"),
    "a confidence of nothing": (lambda: warned(only_2d, {"keypoints_2d": HANDS_2D, "confidence_3d": VISIBLE}), UserWarning, "target.confidence_3d", "counts for nothing", "without target.keypoints_3d; pass these too, or leave it out"),
    "a confidence for a field": (lambda: only_2d({"keypoints_2d": HANDS_2D, "confidence": VISIBLE}), ValueError, "target", "'confidence'", "did you mean 'confidence_2d' or 'confidence_3d'"),
    "a tuple to pick from": (lambda: HandTarget.pick((FACES,)), TypeError, "pick", "got tuple", "takes a mapping"),
    "a forgotten field": (lambda: only_2d({}), ValueError, "2d", "lacks target.keypoints_2d", "Pass them, .* optional="),
    "a tuple for the target": (lambda: only_2d((HANDS_2D,)), TypeError, "target", "got tuple", "its fields are keypoints_2d"),
    "five weights": (lambda: HandLoss((1, 1, 1, 1, 1)), TypeError, "weights", "got tuple", r"HandLossWeights.code\(\)"),
    "a misspelt weight": (lambda: HandLoss({"w_joint": 1}), ValueError, "weights", "'w_joint'", "it knows w_2d, w_3d_joint"),
    "a weight of 3D": (lambda: HandLoss({"w_3d": 1}), ValueError, "weights", "'w_3d'", "did you mean 'w_3d_joint' or 'w_3d_vert'"),
    "a weight by a dimension": (lambda: HandLoss({"3d": 1}), ValueError, "weights", "'3d'", "did you mean 'w_3d_joint' or 'w_3d_vert'"),
    "a weight by its term": (lambda: HandLoss({"prior": 1}), ValueError, "weights", "'prior'", "did you mean 'w_prior'"),
    "a mask by a dimension": (lambda: HandLoss(HAND_ONLY)(PREDICTION, {}, weight={"3d": torch.ones(4)}), ValueError, "weight", "'3d'", "did you mean 3d_joint or 3d_vert"),
    "a negative weight": (lambda: HandLossWeights(w_aux=-1), ValueError, "w_aux", "got -1", "at least 0"),
    "an unknown term": (lambda: HandLoss(optional=("2D",)), ValueError, "optional", "'2D'", "did you mean 2d\\? There are 2d, 3d_joint"),
    "an unknown reduction": (lambda: WingLoss(reduction="avg"), ValueError, "reduction", "got 'avg'", "none, mean, sum, batchmean"),
    "no reduction of the total": (lambda: HandLoss(reduction="none"), ValueError, "reduction", "none|scalars", "sum, mean or batchmean"),
    "a group that is none": (lambda: PFLDLoss(group=0), TypeError, "group", "got int", "pass 'world'"),
    "a misspelt group": (lambda: PFLDLoss(group="wrold"), ValueError, "group", "got 'wrold'", "pass 'world'"),
    "a group too early": (lambda: pfld(group="world"), RuntimeError, "group", "not initialised", r"init_process_group\(\) first"),
    "a face without a pose": (lambda: pfld_loss(FACES, FACES), TypeError, "pfld_loss", "got no angles and no angles_target", "pass the pose of each face, or take wing_loss or smooth_l1_loss"),
    "a module without a pose": (lambda: PFLDLoss()(FACES, landmarks_target=FACES, angles=ANGLES), TypeError, "PFLDLoss", "got no angles_target", "pass the pose of each face, or take wing_loss"),
    "a chapter's name": (lambda: lossbook.landmark, AttributeError, "module 'lossbook'", "no attribute 'landmark'", "did you mean 'landmarks'"),
    "parts with a gap": (lambda: Parts({"a": Part(0, 3), "b": Part(4, 6)}), ValueError, "dimension 3 belongs to no part", "'a' stops at 3, 'b' starts at 4", r"extend a part, or add Part\(3, 4, weight=0.0\)"),
    "parts that end early": (lambda: Parts({"a": Part(0, 3)}, dimensions=5), ValueError, "dimensions 3 to 4 belong to no part", "'a', the last, stops at 3", r"extend a part, or add Part\(3, 5, weight=0.0\)"),
    "angles of a batch": (lambda: pfld(angles=ANGLES[:3]), ValueError, "angles", r"\(3, 3\)", "reshape or expand"),
    "attributes before angles": (lambda: PFLDLoss()(FACES, FACES, torch.ones(4, 6), ANGLES, ANGLES), ValueError, "angles must have", r"got \(4, 6\)", "attributes stand last, behind angles and angles_target"),
    "a mask of attributes before angles": (lambda: PFLDLoss()(FACES, FACES, torch.ones(4, 6) > 0, ANGLES, ANGLES), ValueError, "angles must have", r"got \(4, 6\)", "attributes stand last"),
    "two angles": (lambda: pose_weight(ANGLES[:, :2], ANGLES[:, :2]), ValueError, "angles", r"got \(4, 2\)", "pitch, yaw, roll"),
    "another batch": (lambda: pfld(attributes=torch.ones(3, 6)), ValueError, "attributes", "attributes has 3", "one row a sample in each"),
    "attributes as probabilities": (lambda: checked(attribute_weight, torch.full((4, 6), 0.5)), ValueError, "attributes", "found 0.5", "only 0 and 1"),
    "degrees as a number": (lambda: PFLDLoss(degrees=1), TypeError, "degrees", "got 1", "True or False"),
    "a root that is not there": (lambda: keypoint_3d_loss(HANDS_3D, HANDS_3D, root=21), ValueError, "root", "got 21", "from 0 to 20"),
    "a root as a float": (lambda: Keypoint3DLoss(root=0.0), TypeError, "root", "got float", r"int\(\.\.\.\)"),
    "axis-angles as a pose": (lambda: mano_prior_loss(torch.zeros(4, 10), torch.zeros(4, 45)), ValueError, "hand_pose", r"got \(4, 45\)", r"\(B, J, 3, 3\)"),
    "a pose weight alone": (lambda: mano_prior_loss(torch.zeros(4, 10), pose_weight=0.1), ValueError, "pose_weight is 0.1", "hand_pose is missing", "pass the rotation matrices"),
    "axis-angles of joints": (lambda: mano_prior_loss(torch.zeros(4, 10), torch.zeros(4, 15, 3)), ValueError, "hand_pose", r"got \(4, 15, 3\)", "axis-angles to rotation matrices first.*roma.rotvec_to_rotmat"),
    "6D as a pose": (lambda: HandLoss(HAND_ONLY)({"hand_pose": torch.zeros(4, 15, 6), "betas": torch.zeros(4, 10)}, {}), ValueError, "prediction.hand_pose", r"got \(4, 15, 6\)", r"\(6D\) with roma.special_gramschmidt"),
    "matrices in a row": (lambda: mano_prior_loss(torch.zeros(4, 10), torch.zeros(4, 15, 9)), ValueError, "hand_pose", r"got \(4, 15, 9\)", r"hand_pose.unflatten\(-1, \(3, 3\)\)"),
    "axis-angles as rotations": (lambda: rotation_loss(torch.zeros(4, 3), torch.zeros(4, 3)), ValueError, "input", r"got \(4, 3\)", "roma.rotvec_to_rotmat"),
    "one rotation": (lambda: rotation_loss(torch.eye(3), torch.eye(3)), ValueError, "input", r"got \(3, 3\)", r"pass input\[None\]"),
    "one hand": (lambda: keypoint_3d_loss(HANDS_3D[0], HANDS_3D[0]), ValueError, "input", r"got \(21, 3\)", r"for one sample pass input\[None\]"),
    "the label of one hand": (lambda: keypoint_2d_loss(HANDS_2D, HANDS_2D[0]), ValueError, "target", r"got \(21, 2\)", r"pass target\[None\]"),
    "one mesh": (lambda: vertex_loss(HANDS_3D, HANDS_3D[0]), ValueError, "target", r"got \(21, 3\)", r"pass target\[None\]"),
    "one hand's shape": (lambda: mano_prior_loss(torch.zeros(10)), ValueError, "betas", r"got \(10,\)", r"pass betas\[None\]"),
    "a 2D target of 3D joints": (lambda: keypoint_3d_loss(HANDS_3D, HANDS_2D), ValueError, "target", r"got \(4, 21, 2\)", "2D keypoints go to keypoint_2d_loss, in HandLoss to keypoints_2d"),
    "3D joints for 2D keypoints": (lambda: keypoint_2d_loss(HANDS_3D, HANDS_2D), ValueError, "input", r"got \(4, 21, 3\)", "joints in 3D go to keypoint_3d_loss"),
    "a transposed hand": (lambda: keypoint_3d_loss(HANDS_3D.mT, HANDS_3D), ValueError, "input", r"got \(4, 3, 21\)", r"transpose it with input.mT"),
    "a mask of the eyes": (lambda: nme(FACES, FACES, eyes=([True], [72])), TypeError, "an index in eyes", "got bool", "give the index.* of a mask those where it is True"),
    "an unknown form": (lambda: RotationLoss(form="angle"), ValueError, "form", "got 'angle'", "chordal, geodesic"),
    "quaternions": (lambda: rotation_loss(torch.zeros(4, 4), torch.zeros(4, 4)), ValueError, "input", r"got \(4, 4\)", r"\(B, 3, 3\) or \(B, J, 3, 3\).*quaternions .* roma.unitquat_to_rotmat"),
    "no rotations": (lambda: checked(rotation_loss, torch.ones(4, 3, 3), torch.ones(4, 3, 3)), ValueError, "input", r"index \(0,\)", "must hold rotation matrices"),
    "pixels": (lambda: checked(keypoint_2d_loss, HANDS_2D, HANDS_2D + 112), ValueError, "target", "reaches 112", "divide pixels by the crop's side"),
    "a NaN": (lambda: checked(wing_loss, FACES / 0, FACES), ValueError, "input", "784 NaN", r"index \(0, 0, 0\)"),
    "a coordinate for the confidence": (lambda: checked(keypoint_3d_loss, HANDS_3D, HANDS_3D, confidence=VISIBLE.float()), ValueError, "confidence", "from 2 to 2", r"in \[0, 1\]"),
    "negative weights": (lambda: checked(wing_loss, FACES, FACES, weight=-torch.ones(4)), ValueError, "weight", "-1", "must not be negative"),
    "one clip": (lambda: pva_loss(CLIPS[0], CLIPS[0]), ValueError, "input", r"got \(80, 265\)", r"for one sample pass input\[None\]"),
    "a transposed clip": (lambda: pva_loss(CLIPS.mT, CLIPS), ValueError, "input", r"got \(4, 265, 80\)", "transpose it with input.mT"),
    "clips of another layout": (lambda: pva_loss(CLIPS[..., :66], CLIPS[..., :66]), ValueError, r"input .*\(B, T, 265\)", r"got \(4, 80, 66\)", "those of Ditto, have 265 dimensions; pass others as parts="),
    "clips of two frames": (lambda: pva_loss(CLIPS[:, :2], CLIPS[:, :2]), ValueError, "input .* at least 3 frames", r"got \(4, 2, 265\)", "short_clips='zero'"),
    "a mask of frames": (lambda: pva_loss(CLIPS, CLIPS, weight=torch.ones(80)), ValueError, "weight", r"got \(80,\)", r"every sample pass weight\[None\]"),
    "a frame with its dimension": (lambda: last_frame_loss(CLIPS, CLIPS[:, :1]), ValueError, "cond_frame", r"got \(4, 1, 265\)", r"pass cond_frame\[:, 0\]"),
    "a forgotten frame": (lambda: MotionLoss()(CLIPS, CLIPS), ValueError, "cond_frame", "is missing", "use_last_frame_loss=False"),
    "weights as they are broadcast": (lambda: MotionLoss(dim_weights=torch.ones(1, 1, 265)), ValueError, "dim_weights", r"got \(1, 1, 265\)", r"pass dim_weights.flatten\(\)"),
    "weights from numpy": (lambda: MotionLoss(dim_weights=np.ones(265)), TypeError, "dim_weights", "got ndarray", r"torch.as_tensor\(dim_weights\)"),
    "parts that overlap": (lambda: Parts({"a": Part(0, 3), "b": Part(2, 4)}), ValueError, "'a' and 'b' overlap", "'a' stops at 3, 'b' starts at 2", "pass overlap=True"),
    "a path for the parts": (lambda: MotionLoss(parts="parts.json"), TypeError, "parts", "got str", r"load_parts\(path\)"),
    "a path for the weights": (lambda: MotionLoss(dim_weights="weights.npy"), TypeError, "dim_weights", "got str", r"load_dim_weights\(path\)"),
    "a misspelt part": (lambda: last_frame_loss(CLIPS, CLIPS[:, 0], only="expr"), ValueError, "only", "'expr'", "did you mean 'exp'"),
    "a coefficient of no part": (lambda: motion_l1(CLIPS, coefficients={"x": 1.0}), ValueError, "coefficients", "'x'", "there are scale, pitch"),
    "a weight of bins": (lambda: motion_metrics(CLIPS, CLIPS, weight=torch.ones(4, 80, 265)), ValueError, "weight", r"got \(4, 80, 265\)", r"\[..., 0\]"),
    "a mask by position": (lambda: wing_loss(FACES, FACES, VISIBLE > 0), TypeError, "wing_loss takes 2 by position, input and target", "got 3", "pass a mask or weight as weight=, and by name also w, epsilon, reduction"),
    "a mask of a module by position": (lambda: WingLoss()(FACES, FACES, VISIBLE > 0), TypeError, "WingLoss takes 2 by position, input and target", "got 3", "as weight=$"),
    "a mask of hands by position": (lambda: HandLoss()(PREDICTION, {}, VISIBLE > 0), TypeError, "HandLoss takes 2 by position, prediction and target", "got 3", "as weight=$"),
    "a mask of another batch": (lambda: nme(FACES, FACES, weight=torch.ones(3, 98)), ValueError, "weight", r"got \(3, 98\)", "it has 3 samples, landmarks has 4; give one row for each of these"),
    "a mask of a metric by position": (lambda: nme(FACES, FACES, VISIBLE > 0), TypeError, "nme takes 2 by position", "got 3", "a mask or weight as weight="),
    "a mask of a face by position": (lambda: pfld_loss(FACES, FACES, ANGLES, ANGLES, None, VISIBLE > 0), TypeError, "pfld_loss takes 5 by position", "got 6", "a mask or weight as weight="),
    "a mask of clips by position": (lambda: pva_loss(CLIPS, CLIPS, FRAMES), TypeError, "pva_loss takes 2 by position", "got 3", "a mask or weight as weight="),
    "a mask for a frame": (lambda: MotionLoss()(CLIPS, CLIPS, FRAMES), TypeError, r"cond_frame must be a frame, \(B, 265\)", r"a mask, torch.bool of shape \(4, 80\)", "pass it as weight="),
    "a float mask for a frame": (lambda: last_frame_loss(CLIPS, FRAMES.float()), TypeError, "cond_frame must be a frame", r"a mask, torch.float32 of shape \(4, 80\)", "pass it as weight="),
    "a mask for a frame that is not used": (lambda: MotionLoss(use_last_frame_loss=False)(CLIPS, CLIPS, FRAMES[..., None].float()), TypeError, "cond_frame must be a frame", r"a mask, torch.float32 of shape \(4, 80, 1\)", "pass it as weight="),
    "a mask of padding": (lambda: warned(pva_loss, MOVING, MOVING, weight=~FRAMES), UserWarning, "weight counts the end of clips", "as a mask of padding would", "pass ~weight"),
    "a mask of padding that there is not": (lambda: warned(pva_loss, MOVING, MOVING, weight=~FRAMES[:1]), UserWarning, "every weight is 0", "a mask is True where something counts", "of padding pass ~weight"),
    "a term of all letters": (lambda: MotionLoss()(CLIPS, CLIPS, CLIPS[:, 0])["exp"], KeyError, "no term named", "'exp'", "did you mean exp_P, exp_V, exp_A or exp_L. There are total, "),
    "a letter of all parts": (lambda: pva_loss(CLIPS, CLIPS)["V"], KeyError, "no term named", "'V'", "did you mean scale_V, pitch_V, .* or exp_V"),
    "a nearly right term": (lambda: pva_loss(CLIPS, CLIPS)["yaw_p"], KeyError, "no term named", "'yaw_p'", "did you mean .*yaw_P"),
    "a letter that is none": (lambda: MotionLoss(weights={"Q": 1.0}), ValueError, "weights", "'Q'", "there are P, V, A, L, R"),
    "a learned weight of a letter": (lambda: MotionLoss(weights={"V": torch.tensor(0.5)}), TypeError, r"weights\['V'\]", "got Tensor", r"float\(weights\['V'\]\)"),
    "a NaN in a clip": (lambda: checked(pva_loss, CLIPS, CLIPS / 0), ValueError, "target", "84800 NaN", "mask what is missing with weight="),
    "a NaN in a face": (lambda: checked(pfld, landmarks_target=FACES / 0, angles=ANGLES + 1), ValueError, "landmarks_target", "784 NaN", "mask what is missing with weight="),
    "a NaN in a hand": (lambda: checked(only_2d, {"keypoints_2d": HANDS_2D / 0}), ValueError, "target.keypoints_2d", "168 NaN", "mask what is missing with weight="),
    "a NaN in a mesh": (lambda: checked(vertex_loss, HANDS_3D, HANDS_3D / 0), ValueError, "target", "252 NaN", "mask what is missing with weight="),
    "a NaN in a measured face": (lambda: checked(nme, FACES, FACES / 0), ValueError, "landmarks_target", "784 NaN", "mask what is missing with weight="),
    "hands that are swapped": (lambda: HandLoss()(HandTarget(pose=ANGLES), HandPrediction(betas=ANGLES)), TypeError, "prediction must be a HandPrediction", "got HandTarget", "are they swapped. The prediction stands first, then the target"),
    "a prediction for the target": (lambda: only_2d(HandPrediction(keypoints_2d=HANDS_2D)), TypeError, "target must be a HandTarget", "got HandPrediction", "are they swapped"),
    "mappings that are swapped": (lambda: HandLoss()({"keypoints_2d": HANDS_2D, "confidence_2d": VISIBLE}, PREDICTION), ValueError, "prediction", "'confidence_2d'", "a field of HandTarget: are they swapped. The prediction stands first"),
    "a prediction's mapping for the target": (lambda: only_2d(PREDICTION), ValueError, "target", "'betas'", "a field of HandPrediction: are they swapped"),
    "negatives of another encoder": (lambda: cosine_margin_loss(PEOPLE, PEOPLE, OTHERS[..., :6]), ValueError, r"negatives must have shape \(B, K, 8\)", r"got \(4, 16, 6\)", r"for the same negatives in every sample, \(K, 8\)"),
    "transposed negatives": (lambda: info_nce_loss(PEOPLE, PEOPLE, OTHERS.mT), ValueError, "negatives", r"got \(4, 8, 16\)", "transpose it with negatives.mT"),
    "no negatives": (lambda: info_nce_loss(PEOPLE, PEOPLE, OTHERS[:, :0]), ValueError, "negatives", r"got \(4, 0, 8\)", "draw at least one negative"),
    "negatives of another batch": (lambda: info_nce_loss(PEOPLE, PEOPLE, OTHERS[:3]), ValueError, "batch size", "negatives has 3", "one row a sample in each"),
    "negatives that are forgotten": (lambda: InversionLoss(feature="info_nce")(FACES, FACES, PEOPLE, PEOPLE), ValueError, "negatives is missing", "the feature loss is 'info_nce'", "pass templates of other people"),
    "a sample's own template": (lambda: warned(info_nce_loss, PEOPLE, PEOPLE, PEOPLE), UserWarning, "negatives holds the template", "of sample 0 itself, at index 0", "leave each sample's own template out"),
    "a face that was not found": (lambda: warned(cosine_margin_loss, 0 * PEOPLE, PEOPLE, OTHERS), UserWarning, "features", "holds a zero vector", "was a face not found"),
    "a feature map": (lambda: feature_l2_loss(PEOPLE[..., None, None], PEOPLE), ValueError, "features", r"got \(4, 8, 1, 1\)", r"pass features.flatten\(1\)"),
    "labels for centers": (lambda: center_loss(PEOPLE, torch.arange(4)), TypeError, "centers", r"got torch.int64 of shape \(4,\)", r"pass centers\[labels\]"),
    "negatives of another width": (lambda: info_nce_loss(PEOPLE, PEOPLE, torch.ones(64, 6)), ValueError, "negatives", r"got \(64, 6\)", "features have 8 numbers and negatives 6: take both from one recogniser"),
    "a preset in small letters": (lambda: InversionLoss.preset("c", total=9), ValueError, "no preset", "'c'", r"did you mean C\?"),
    "a total by the name of a function": (lambda: lossbook.create("hand_loss"), ValueError, "no loss", "'hand_loss'", r"did you mean HandLoss\?"),
    "keypoints in a row": (lambda: keypoint_2d_loss(HANDS_2D.flatten(1), HANDS_2D), ValueError, "input", r"got \(4, 42\)", r"input.unflatten\(1, \(21, 2\)\)"),
    "a mesh in a row": (lambda: vertex_loss(HANDS_3D, HANDS_3D.flatten(1)), ValueError, "target", r"got \(4, 63\)", r"target.unflatten\(1, \(21, 3\)\)"),
    "landmarks in a row": (lambda: pfld(landmarks=FACES.flatten(1)), ValueError, "landmarks", r"landmarks \(4, 196\)", r"landmarks.unflatten\(1, \(98, 2\)\)"),
    "scored hands that are transposed": (lambda: mpjpe(HANDS_3D.mT, HANDS_3D.mT), ValueError, "input", r"got \(4, 3, 21\)", "transpose it with input.mT"),
    "a center of each class": (lambda: center_loss(PEOPLE, PEOPLE[:2]), ValueError, "centers", r"centers \(2, 8\)", r"pass centers\[labels\]"),
    "a temperature of zero": (lambda: info_nce_loss(PEOPLE, PEOPLE, OTHERS, temperature=0.0), ValueError, "temperature", "got 0", "greater than 0"),
    "a mining that there is not": (lambda: CosineMarginLoss(mining="hard"), ValueError, "mining", "got 'hard'", "hardest, mean, random, all"),
    "a picture without a graph": (lambda: guidance_consistency_loss(FACES, FACES[:, 0, 0], FACES[:, 0, 0]), ValueError, "input must require a gradient", "a tensor without a graph", r"not detached, or call input.requires_grad_\(\)"),
    "features of a detached picture": (lambda: guidance_consistency_loss(FACES.clone().requires_grad_(), FACES[:, 0, 0], FACES[:, 0, 0]), ValueError, "feature_losses must depend on input", "without a graph", r"features = encoder\(input\)"),
    "a loss of the whole batch": (lambda: guidance_consistency_loss(FACES.clone().requires_grad_(), FACES.mean(), FACES[:, 0, 0]), ValueError, r"feature_losses must have shape \(B,\)", r"got \(\)", "reduction='none'"),
    "a recipe without its steps": (lambda: InversionLoss.preset("A"), ValueError, "total is missing", "the preset 'A' has a linear schedule", "pass the steps of the training as total="),
    "a schedule by its name": (lambda: InversionLoss(lambda_schedule="linear"), TypeError, "lambda_schedule", "got 'linear'", r"LambdaSchedule\('linear', total\)"),
    "a time that is on the device": (lambda: staged_schedule(1, torch.tensor(10)), TypeError, "total", "got Tensor", r"float\(total\)"),
    "a loss without a task": (lambda: UncertaintyWeights(("pixel", "feat"))({"pixel": FACES.mean()}), ValueError, "terms", "lacks 'feat'", "pass the loss of each of the tasks"),
    "parameters beyond float32": (lambda: wing_loss(FACES, FACES, w=1e39), ValueError, "w must be", r"got 1e\+39", "compute in float64"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.own_errors
def test_a_message_names_the_argument_what_came_and_the_fix(name):
    mistake, error, what, came, fix = MISTAKES[name]
    with pytest.raises(error) as raised:
        mistake()
    for part in (what, came, fix):
        assert raised.match(part)
    assert len(str(raised.value)) < 400


def test_there_are_thirty_of_them():
    assert len(MISTAKES) >= 30

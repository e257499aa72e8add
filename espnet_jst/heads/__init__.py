"""Heads: the parameters, the loss and the search of one prediction."""

from espnet_jst.heads.joint import JointNetwork

__all__ = ["JointNetwork"]

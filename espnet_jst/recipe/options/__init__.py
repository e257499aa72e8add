"""What a recipe can be told, in groups: a stage takes those that it uses."""

from espnet_jst.recipe.options.data import DataOptions
from espnet_jst.recipe.options.decoding import DecodingOptions
from espnet_jst.recipe.options.groups import Options
from espnet_jst.recipe.options.parser import add_options, parse_flags, parse_options
from espnet_jst.recipe.options.release import ReleaseOptions
from espnet_jst.recipe.options.run import RunOptions
from espnet_jst.recipe.options.text import TextOptions
from espnet_jst.recipe.options.training import TrainingOptions

__all__ = [
    "Options",
    "RunOptions",
    "DataOptions",
    "TextOptions",
    "TrainingOptions",
    "DecodingOptions",
    "ReleaseOptions",
    "add_options",
    "parse_flags",
    "parse_options",
]

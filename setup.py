"""Installs espnet_jst. Version ranges are in here, the versions that were tested in constraints/."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent


def read_version() -> str:
    text = (HERE / "espnet_jst" / "version.py").read_text(encoding="utf-8")
    match = re.search(r'__version__ = "([^"]+)"', text)
    if match is None:
        raise RuntimeError('espnet_jst/version.py has no line __version__ = "..."')
    return match.group(1)


# Two lines of versions, told apart by Python: ESPnet 202611 needs 3.12, 202511 ends at 3.11 (docs/installation.md).
NEW, OLD = '; python_version >= "3.12"', '; python_version < "3.12"'

# Every package of the project's card is a plain requirement; the heavy ones are imported only where they are used.
REQUIREMENTS = [
    "espnet==202611" + NEW,  # exact: the plugin relies on module globals of these releases
    "espnet==202511" + OLD,
    "torch>=2.11,<2.15,!=2.12.0,!=2.12.1" + NEW,  # espnet's own bounds
    "torch>=2.10,<2.12" + OLD,  # 2.10: the first whose weights_only unpickler is safe; 2.12 wants a newer setuptools
    "torchaudio>=2.11,<2.12" + NEW,
    "torchaudio>=2.10,<2.12" + OLD,
    "setuptools>=77.0.3,<82" + NEW,  # espnet's own bounds
    "setuptools>=65,<74" + OLD,
    "espnet_model_zoo>=0.1.11,<0.2" + NEW,  # the first without distutils, which Python 3.12 dropped
    "espnet_model_zoo>=0.1.7,<0.1.11" + OLD,
    "espnet-s3prl==2026.5.14",  # ESPnet's release of s3prl: s3prl 0.4.18 fails with torchaudio 2.11
    "nltk>=3.4.5" + NEW,  # espnet's training of its own models imports these two and, from 202611 on, asks for neither
    "editdistance>=0.6" + NEW,
    "sentencepiece==0.2.1" + NEW,  # espnet's own pins
    "sentencepiece==0.2.0" + OLD,
    "sacrebleu>=2.4,<3",
    "humanfriendly>=10",
    "jiwer>=4,<5",
    "rapidfuzz>=3.9",
    "numpy>=2,<3",
    "packaging>=22",
    "PyYAML>=6",
    "safetensors>=0.5",
    "transformers>=5,<6",  # encoders of others as frontends; 5.24 was tried
    "huggingface_hub>=1,<3",
    "soundfile>=0.12",
    "soxr>=0.5",
    "rich>=13",
    "distributed>=2025.1,<2027",  # the local workers of recipes, and those of a cluster
    "pysubs2>=1.7",
    "matplotlib>=3.8",
    "tensorboard>=2.16",
]

CLUSTER = ["dask-jobqueue>=0.9,<0.10", "dask-kubernetes>=2025.1,<2027"]

SERVE = ["starlette>=1,<2", "uvicorn>=0.54,<1", "websockets>=15"]

EXPORT = ["onnx>=1.18,<2", "onnxscript>=0.5,<1", "onnxruntime>=1.22,<2"]

TEST_REQUIREMENTS = [
    "pytest>=8",
    "pytest-xdist>=3.5",
    "hypothesis>=6.100",
    "pyroomacoustics>=0.10,<0.11",
    "ruff>=0.9",
    "mypy>=1.13",
    "types-PyYAML",
    "dask-jobqueue>=0.9,<0.10",
    *SERVE,
    *EXPORT,
    "openai>=3.57,<4",  # the clients of others that the server is tried with
    "simulstream>=1,<2",
    "sherpa-onnx>=2,<3",  # runs what is exported for it
]

EXTRAS = {
    "simulate": ["pyroomacoustics>=0.10,<0.11"],  # rooms of simulated conversations
    "serve": SERVE,  # espnet-jst serve
    "export": EXPORT,  # espnet-jst export, and running what it wrote
    "neural": ["simalign>=0.4"],  # word alignment by a multilingual BERT
    "ez": ["six"],  # ESPnet-EZ imports it without declaring it
    "eval": ["sacrebleu[ja,ko]>=2.4,<3"],  # word tokenizers for BLEU on Japanese and Korean
    "multispk": ["meeteval>=0.4.3,<0.5"],  # ORC-WER and tcpWER; no wheels: it compiles
    "cluster": CLUSTER,  # recipes on Slurm, PBS or Kubernetes
    "test": TEST_REQUIREMENTS,
    "dev": TEST_REQUIREMENTS,
}

setup(
    name="espnet_jst",
    version=read_version(),
    description="Joint streaming speech recognition and translation: a plugin for ESPnet",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",  # 3.14: espnet's own end
    packages=find_packages(include=["espnet_jst", "espnet_jst.*"]),
    package_data={
        "espnet_jst": [
            "py.typed",
            *(f"evaluation/report/{name}" for name in ("palette.css", "style.css", "script.js")),
            *(f"serving/page/*.{kind}" for kind in ("html", "css", "js", "svg")),
        ]
    },
    install_requires=REQUIREMENTS,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["espnet-jst = espnet_jst.bin.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Speech",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)

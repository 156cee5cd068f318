"""The committed baseline, `proto/baseline.json`: the fields of every contract when it was last extended.

It is the descriptor set in protobuf's own JSON form, so that a review shows each new promise as a line.
"""

import json
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.json_format import MessageToDict, Parse


def read(path: Path) -> FileDescriptorSet:
    """Read the baseline; a missing one promises nothing yet."""
    return Parse(path.read_text(), FileDescriptorSet()) if path.exists() else FileDescriptorSet()


def write(path: Path, contracts: FileDescriptorSet) -> None:
    """Write `contracts` as the new baseline."""
    path.write_text(json.dumps(MessageToDict(contracts), indent=1) + "\n")

"""Objects in protobuf, as Kubernetes' clients in Go send and want them by default.

Messages are the structs of the ``.fields`` files in ``kinds``, with the numbers of Kubernetes' ``generated.proto``
files. :mod:`codec` reads and writes objects, :mod:`answers` turns answers and watches into this form.
"""

from harness.clusters.embedded.protobuf.codec import PROTOBUF, decode, encode

__all__ = ["PROTOBUF", "decode", "encode"]

"""The state of an embedded API server on disk: everything acknowledged survives the end of its process, even a kill -9.

A log of requests is written ahead of their answers (:mod:`.journal`), from time to time a snapshot begins another log,
and :mod:`.recovery` reads both. :mod:`.folder` keeps two servers apart.
"""

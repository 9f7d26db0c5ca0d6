"""The built-in kinds as data: their fields in text files, the rest in tables.

Nothing runs these objects. They are here so that manifests can be applied, read, watched and refused as on a real API
server: fields, types, defaults, merge keys, and the checks on which clients rely.
"""

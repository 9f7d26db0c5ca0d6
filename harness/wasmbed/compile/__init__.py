"""The compile service: source text in Rust, C, AssemblyScript or WebAssembly's text format becomes a module.

Compilers are other projects' programs. They run in a sandbox (:mod:`.sandbox`), a few at a time and fairly among users
(:mod:`.turns`), and what was compiled before is not compiled again (:mod:`.service`). ``docs/how-to/compile.md`` is the
guide.
"""

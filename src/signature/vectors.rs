//! The engine against recorded requests of every scheme.

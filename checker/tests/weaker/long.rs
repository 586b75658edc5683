//! Long histories whose answers are known by construction.

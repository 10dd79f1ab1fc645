"""Recipes that come with xopt, one TOML file each."""

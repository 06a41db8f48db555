"""How fast, how small, how soon: figures as ratios, each with its conditions. See README.md."""

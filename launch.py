"""The command line in a checkout: see mamdr_jax/launch.py."""

from mamdr_jax import launch

if __name__ == "__main__":
  launch.run()

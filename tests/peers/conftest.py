"""The replica of torchvision is no test: it needs torch as soon as it is imported, which only its test does."""

collect_ignore = ["torchvision_replica.py"]

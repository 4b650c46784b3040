"""What the frameworks' modules are made of: the layer, the kernels' storages, resizing, patches, and the table."""

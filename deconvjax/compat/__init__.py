"""Every framework's convolution and "deconvolution" layers, called as its users call them, as linear maps."""

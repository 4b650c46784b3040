"""torchvision's vgg16 and fcn_resnet, module by module with its names and order, any width; random weights."""

from torch import nn as tnn
from torch.nn import functional as F


class Bottleneck(tnn.Module):
    def __init__(self, inplanes, planes, stride=1, downsample=None, dilation=1):
        super().__init__()
        self.conv1 = tnn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = tnn.BatchNorm2d(planes)
        self.conv2 = tnn.Conv2d(planes, planes, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = tnn.BatchNorm2d(planes)
        self.conv3 = tnn.Conv2d(planes, planes * 4, 1, bias=False)
        self.bn3 = tnn.BatchNorm2d(planes * 4)
        self.relu = tnn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        return self.relu(self.bn3(self.conv3(out)) + identity)


class Backbone(tnn.Module):
    """torchvision's ResNet with replace_stride_with_dilation=[False, True, True], without fc."""

    def __init__(self, blocks, base):
        super().__init__()
        self.inplanes, self.dilation = base, 1
        self.conv1 = tnn.Conv2d(3, base, 7, 2, 3, bias=False)
        self.bn1 = tnn.BatchNorm2d(base)
        self.relu = tnn.ReLU(inplace=True)
        self.maxpool = tnn.MaxPool2d(3, 2, 1)
        self.layer1 = self._make(base, blocks[0])
        self.layer2 = self._make(2 * base, blocks[1], 2)
        self.layer3 = self._make(4 * base, blocks[2], 2, dilate=True)
        self.layer4 = self._make(8 * base, blocks[3], 2, dilate=True)

    def _make(self, planes, blocks, stride=1, dilate=False):
        downsample, previous = None, self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        if stride != 1 or self.inplanes != planes * 4:
            conv = tnn.Conv2d(self.inplanes, planes * 4, 1, stride, bias=False)
            downsample = tnn.Sequential(conv, tnn.BatchNorm2d(planes * 4))
        layers = [Bottleneck(self.inplanes, planes, stride, downsample, previous)]
        self.inplanes = planes * 4
        layers += [Bottleneck(self.inplanes, planes, dilation=self.dilation) for _ in range(1, blocks)]
        return tnn.Sequential(*layers)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        three = self.layer3(self.layer2(self.layer1(x)))
        return three, self.layer4(three)


def head(channels, classes):
    inner = channels // 4
    return tnn.Sequential(tnn.Conv2d(channels, inner, 3, padding=1, bias=False), tnn.BatchNorm2d(inner), tnn.ReLU(),
                          tnn.Dropout(0.1), tnn.Conv2d(inner, classes, 1))


class FCN(tnn.Module):
    def __init__(self, blocks, base, classes):
        super().__init__()
        self.backbone = Backbone(blocks, base)
        self.classifier = head(32 * base, classes)
        self.aux_classifier = head(16 * base, classes)

    def forward(self, x):
        three, four = self.backbone(x)
        up = lambda y: F.interpolate(y, size=x.shape[-2:], mode="bilinear", align_corners=False)  # noqa: E731
        return up(self.classifier(four)), up(self.aux_classifier(three))


def with_random_statistics(model):
    for module in model.modules():
        if isinstance(module, tnn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            tnn.init.uniform_(module.weight, 0.5, 1.5)
            tnn.init.normal_(module.bias)
    return model.eval()


def vgg(width):
    """torchvision's vgg16: features and classifier by number."""
    layers, channels = [], 3
    for stage, count in zip((64, 128, 256, 512, 512), (2, 2, 3, 3, 3), strict=True):
        for _ in range(count):
            layers += [tnn.Conv2d(channels, stage // width, 3, padding=1), tnn.ReLU()]
            channels = stage // width
        layers.append(tnn.MaxPool2d(2, 2))
    top = 4096 // width
    classifier = [tnn.Linear(channels * 49, top), tnn.ReLU(), tnn.Dropout(), tnn.Linear(top, top), tnn.ReLU(),
                  tnn.Dropout(), tnn.Linear(top, 10)]
    return tnn.ModuleDict({"features": tnn.Sequential(*layers), "classifier": tnn.Sequential(*classifier)}).eval()

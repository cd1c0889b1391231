// The layers of known convolutional networks, as plain numbers: what `npm run bench` times and bench/peers/ops.mts races against PyTorch.

/** A convolution (without bias) of x [batch, ...size, channels]; as many zeros on both sides as half the kernel. */
export interface Convolution {
  kind: 'conv'
  channels: number
  features: number
  kernel: number
  stride: number
  groups: number
}

export interface Pooling {
  kind: 'maxPool'
  channels: number
  window: number
  stride: number
  before: number
}

/** The mean over all spatial axes. */
export interface GlobalPooling {
  kind: 'globalAveragePool'
  channels: number
}

/** Batch norm in training, with what follows it: a sum with another tensor, ReLU. */
export interface Normalization {
  kind: 'batchNorm'
  channels: number
  residual: boolean
  relu: boolean
}

type Layer = Convolution | Pooling | GlobalPooling | Normalization

export type NetworkLayer = Layer & {
  network: string
  batch: number
  /** Of the input's spatial axes. */
  size: readonly number[]
  /** Nothing asks for the gradient of the input. */
  first: boolean
}

const conv = (channels: number, features: number, kernel: number, stride = 1, groups = 1): Layer => ({
  kind: 'conv',
  channels,
  features,
  kernel,
  stride,
  groups
})
const depthwise = (channels: number, stride = 1) => conv(channels, channels, 3, stride, channels)
const maxPool = (channels: number, window = 2, before = 0): Layer => ({ kind: 'maxPool', channels, window, stride: 2, before })
const globalAverage = (channels: number): Layer => ({ kind: 'globalAveragePool', channels })
const norm = (channels: number, residual = false, relu = true): Layer => ({ kind: 'batchNorm', channels, residual, relu })

/** The layers that a stage of ResNet-50 has at its own size: C to M to M to 4 M channels. */
const bottleneck = (m: number): Layer[] => [conv(4 * m, m, 1), conv(m, m, 3), conv(m, 4 * m, 1), norm(m), norm(4 * m, true)]
/** Those at which a stage of ResNet-50 begins, of the size before it. */
const downsampling = (m: number): Layer[] => [conv(2 * m, m, 1), norm(m), conv(m, m, 3, 2), conv(2 * m, 4 * m, 1, 2)]
/** Behind the convolution beside a stage's first block. */
const projected = (m: number): Layer => norm(4 * m, false, false)
/** Separable convolutions of MobileNet. */
const separable = (channels: number, features: number): Layer[] => [depthwise(channels), conv(channels, features, 1), norm(channels)]

/** Each different layer once, by the size of its input; the first layer of the first line reads the data. */
const networks: [network: string, batch: number, axes: number, lines: [size: number, ...layers: Layer[]][]][] = [
  [
    'W2',
    128,
    2,
    [
      [28, conv(1, 32, 5), maxPool(32)],
      [14, conv(32, 64, 5), maxPool(64)]
    ]
  ],
  [
    'W3',
    64,
    2,
    [
      [32, conv(3, 64, 3), conv(64, 64, 3), norm(64), maxPool(64)],
      [16, conv(64, 128, 3), conv(128, 128, 3), norm(128), maxPool(128)],
      [8, conv(128, 256, 3), conv(256, 256, 3), norm(256), globalAverage(256)]
    ]
  ],
  [
    'W4',
    128,
    2,
    [
      [32, conv(3, 16, 3), conv(16, 16, 3), conv(16, 32, 3, 2), norm(16), norm(16, true)],
      [16, conv(32, 32, 3), conv(32, 64, 3, 2), norm(32), norm(32, true)],
      [8, conv(64, 64, 3), norm(64), norm(64, true), globalAverage(64)]
    ]
  ],
  [
    'W6',
    64,
    1,
    [
      [1024, conv(1, 32, 9), maxPool(32)],
      [512, conv(32, 64, 9), maxPool(64)]
    ]
  ],
  [
    'ResNet-50',
    32,
    2,
    [
      [224, conv(3, 64, 7, 2)],
      [112, norm(64), maxPool(64, 3, 1)],
      [56, conv(64, 64, 1), ...bottleneck(64), projected(64), ...downsampling(128)],
      [28, ...bottleneck(128), projected(128), ...downsampling(256)],
      [14, ...bottleneck(256), projected(256), ...downsampling(512)],
      [7, ...bottleneck(512), projected(512), globalAverage(2048)]
    ]
  ],
  [
    'MobileNet',
    32,
    2,
    [
      [224, conv(3, 32, 3, 2)],
      [112, ...separable(32, 64), norm(64), depthwise(64, 2)],
      [56, norm(64), conv(64, 128, 1), ...separable(128, 128), depthwise(128, 2)],
      [28, norm(128), conv(128, 256, 1), ...separable(256, 256), depthwise(256, 2)],
      [14, norm(256), conv(256, 512, 1), ...separable(512, 512), depthwise(512, 2)],
      [7, norm(512), conv(512, 1024, 1), ...separable(1024, 1024), globalAverage(1024)]
    ]
  ]
]

export const networkLayers: NetworkLayer[] = networks.flatMap(([network, batch, axes, lines]) =>
  lines.flatMap(([side, ...layers], line) =>
    layers.map((layer, i) => ({ ...layer, network, batch, size: new Array<number>(axes).fill(side), first: line === 0 && i === 0 }))
  )
)

/** What is done with a layer. `data gradient` and `filter gradient` are the convolutions', `backward` is the others'. */
export type Direction = 'forward' | 'data gradient' | 'filter gradient' | 'backward'

export function directionsOf({ kind, first }: NetworkLayer): Direction[] {
  if (kind !== 'conv') return ['forward', 'backward']
  return first ? ['forward', 'filter gradient'] : ['forward', 'data gradient', 'filter gradient']
}

/** Zeros in front of each spatial axis. */
export const beforeOf = (layer: Convolution | Pooling): number => (layer.kind === 'conv' ? (layer.kernel - 1) / 2 : layer.before)

/** Spatial sizes of the output. */
export function outputSize(layer: NetworkLayer): readonly number[] {
  if (layer.kind === 'batchNorm') return layer.size
  if (layer.kind === 'globalAveragePool') return layer.size.map(() => 1)
  const window = layer.kind === 'conv' ? layer.kernel : layer.window
  return layer.size.map((size) => Math.floor((size + 2 * beforeOf(layer) - window) / layer.stride) + 1)
}

export function nameOf(layer: NetworkLayer): string {
  const { network, batch, size, channels } = layer
  const input = `${batch}x${size.join('x')}x${channels}`
  if (layer.kind === 'batchNorm') return `${network} batchNorm${layer.residual ? ' + residual' : ''}${layer.relu ? ' + relu' : ''} ${input}`
  if (layer.kind === 'globalAveragePool') return `${network} globalAveragePool ${input}`
  if (layer.kind === 'maxPool') return `${network} maxPool ${layer.window} / ${layer.stride} ${input}`
  const kernel = size.map(() => layer.kernel).join('x') + (layer.stride > 1 ? ` / ${layer.stride}` : '')
  return layer.groups > 1 ? `${network} depthwise ${kernel} ${input}` : `${network} conv ${kernel} ${input} to ${layer.features}`
}

# The addon without CMake: CPU only, from the same folders as CMakeLists.txt. scripts/gyp.cjs lists the files.
{
  'variables': {
    'openssl_fips': '',
    'warnings%': ['-Wall', '-Wextra'],
    'avx512%': ['-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl', '-mavx512cd', '-mfma', '-mbmi2', '-mprefer-vector-width=512'],
  },
  'target_defaults': {
    'default_configuration': 'Release',
    'include_dirs': ['.'],
    'cflags_cc!': ['-std=gnu++14', '-std=gnu++17', '-fno-exceptions', '-fno-rtti', '-O3'],
    'cflags!': ['-O3', '-Wno-unused-parameter', '-fno-omit-frame-pointer'],
    'cflags_cc': [
      '-std=c++20', '-O2', '-fexceptions', '-fno-math-errno', '-fno-trapping-math', '-ffp-contract=off',
      '-fvisibility=hidden', '-fvisibility-inlines-hidden', '-fPIC', '<@(warnings)',
    ],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
      'GCC_ENABLE_CPP_EXCEPTIONS': 'YES',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'GCC_OPTIMIZATION_LEVEL': '2',
      'MACOSX_DEPLOYMENT_TARGET': '12.0',
      'OTHER_CPLUSPLUSFLAGS': ['-fno-math-errno', '-fno-trapping-math', '-ffp-contract=off', '<@(warnings)'],
    },
  },
  'targets': [
    {
      'target_name': 'neurite',
      'sources': ['<!@(node scripts/gyp.cjs sources native)'],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': [
        'NAPI_VERSION=8', 'NAPI_CPP_EXCEPTIONS',
        'NEURITE_OPS_HASH="<!(node scripts/gyp.cjs ops-hash)"',
        'NEURITE_VERSION="<!(node scripts/gyp.cjs version)"',
        'NEURITE_BUILD_INFO="node-gyp, no CUDA: built without CMake"',
      ],
      # The order matters: the linker keeps the first copy of an inline function, and that must be one that every CPU can run.
      'dependencies': ['cpu_baseline', 'cpu_amx_twin'],
      'conditions': [
        ['target_arch=="x64"', {'dependencies': ['cpu_avx2', 'cpu_avx512', 'cpu_avx512bf16', 'cpu_amx']}],
        ['OS=="linux"', {'ldflags': ['-static-libstdc++', '-static-libgcc', '-Wl,--gc-sections', '-Wl,--version-script=<(module_root_dir)/native/exports.map']}],
      ],
    },
    {
      'target_name': 'cpu_baseline',
      'type': 'static_library',
      'sources': ['<!@(node scripts/gyp.cjs sources native/cpu)'],
      'defines': ['NEURITE_ISA=baseline'],
    },
    {
      # The AMX kernels' logic with a scalar twin of the tiles: slow, for tests on machines without AMX.
      'target_name': 'cpu_amx_twin',
      'type': 'static_library',
      'sources': ['<!@(node scripts/gyp.cjs sources native/cpu/amx)'],
      'defines': ['NEURITE_ISA=amx_twin'],
    },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'cpu_avx2',
          'type': 'static_library',
          'sources': ['<!@(node scripts/gyp.cjs sources native/cpu)'],
          'defines': ['NEURITE_ISA=avx2'],
          'variables': {'flags': ['-mavx2', '-mfma', '-mf16c', '-mbmi2']},
          'cflags_cc': ['<@(flags)'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['<@(flags)']},
        },
        {
          'target_name': 'cpu_avx512',
          'type': 'static_library',
          'sources': ['<!@(node scripts/gyp.cjs sources native/cpu)'],
          'defines': ['NEURITE_ISA=avx512'],
          'cflags_cc': ['<@(avx512)'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['<@(avx512)']},
        },
        {
          'target_name': 'cpu_avx512bf16',
          'type': 'static_library',
          'sources': ['<!@(node scripts/gyp.cjs sources native/cpu/avx512bf16)'],
          'defines': ['NEURITE_ISA=avx512bf16'],
          'variables': {'flags': ['<@(avx512)', '-mavx512bf16']},
          'cflags_cc': ['<@(flags)'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['<@(flags)']},
        },
        {
          'target_name': 'cpu_amx',
          'type': 'static_library',
          'sources': ['<!@(node scripts/gyp.cjs sources native/cpu/amx)'],
          'defines': ['NEURITE_ISA=amx'],
          'variables': {'flags': ['<@(avx512)', '-mamx-tile', '-mamx-bf16', '-mamx-int8', '-mavx512bf16']},
          'cflags_cc': ['<@(flags)'],
          'xcode_settings': {'OTHER_CPLUSPLUSFLAGS': ['<@(flags)']},
        },
      ],
    }],
  ],
}

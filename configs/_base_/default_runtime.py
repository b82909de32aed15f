# What every run shares: registries, runner, hooks, environment, logs, seed.
default_scope = 'mmdet3d'
custom_imports = dict(imports=['projects.OneOcc.oneocc'], allow_failed_imports=False)

# mmengine's runner with safe, whole and exactly resumable checkpoints
runner_type = 'mmdet3d.OneOccRunner'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='OneOccCheckpointHook', interval=1, max_keep_ckpts=2, save_best='ssc/miou', rule='greater'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='OccVisualizationHook', draw=False),  # test.py --show-dir switches it on
)
custom_hooks = [
    dict(type='ClassCountsHook'),  # class weights of the loss from the training set
    dict(type='NonFiniteLossHook'),
]

env_cfg = dict(
    cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl')
)  # gloo where there is no CUDA

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'
randomness = dict(seed=0)
load_from = None
resume = False

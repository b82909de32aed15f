auto_scale_lr = dict(base_batch_size=2, enable=False)
custom_hooks = [
    dict(type='ClassCountsHook'),
    dict(type='NonFiniteLossHook'),
]
custom_imports = dict(
    allow_failed_imports=False, imports=[
        'projects.OneOcc.oneocc',
    ])
default_hooks = dict(
    checkpoint=dict(
        interval=1,
        max_keep_ckpts=2,
        rule='greater',
        save_best='ssc/miou',
        type='OneOccCheckpointHook'),
    logger=dict(interval=10, type='LoggerHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    progress=dict(type='ProgressBarHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    timer=dict(type='IterTimerHook'),
    visualization=dict(draw=False, type='OccVisualizationHook'))
default_scope = 'mmdet3d'
env_cfg = dict(
    cudnn_benchmark=False,
    dist_cfg=dict(backend='nccl'),
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
grid = dict(
    origin=(
        -12.8,
        -12.8,
        -1.2,
    ), shape=(
        64,
        64,
        8,
    ), voxel_size=0.4)
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=50)
model = dict(
    backbone=dict(
        equi=dict(
            backbone=dict(
                base_channels=16,
                depth=18,
                dilations=(
                    1,
                    1,
                    1,
                ),
                num_stages=3,
                out_indices=(
                    0,
                    1,
                    2,
                ),
                stem_channels=16,
                strides=(
                    1,
                    2,
                    2,
                ),
                type='mmdet.ResNet'),
            decoder_channels=(
                64,
                32,
                16,
                16,
            ),
            type='PanoramaEncoder'),
        out_channels=16,
        raw=dict(
            backbone=dict(
                base_channels=16,
                depth=18,
                dilations=(
                    1,
                    1,
                    1,
                ),
                num_stages=3,
                out_indices=(
                    0,
                    1,
                    2,
                ),
                stem_channels=16,
                strides=(
                    1,
                    2,
                    2,
                ),
                type='mmdet.ResNet'),
            decoder_channels=(
                64,
                32,
                16,
                16,
            ),
            type='PanoramaEncoder'),
        scales=(
            1,
            4,
            8,
            16,
        ),
        type='DualProjectionBackbone'),
    data_preprocessor=dict(size_divisor=16, type='OccDataPreprocessor'),
    decode_head=dict(
        frustum=dict(bands=8, sectors=8, view='equi'),
        num_classes=6,
        strides=(
            1,
            2,
            4,
        ),
        subvoxels=1,
        supervise='known',
        type='SSCHead'),
    grid=dict(
        origin=(
            -12.8,
            -12.8,
            -1.2,
        ), shape=(
            64,
            64,
            8,
        ), voxel_size=0.4),
    neck=dict(
        channels=(
            16,
            32,
            64,
        ),
        depths=(
            1,
            1,
            1,
        ),
        num_experts=4,
        type='AMoE3DNeck'),
    type='OccupancySegmentor',
    view_transformer=dict(
        cylinder=dict(radius_range=(
            0.0,
            18.24,
        ), shape=(
            24,
            128,
            8,
        )),
        gait=dict(mode='shift', type='GaitDisplacementCompensation'),
        grids=(
            'cartesian',
            'cylindrical',
        ),
        injection='neck',
        position=True,
        type='BiGridViewTransformer',
        view_dropout=0.1))
optim_wrapper = dict(
    clip_grad=dict(max_norm=10, norm_type=2),
    optimizer=dict(fused=True, lr=0.006, type='AdamW', weight_decay=0.01),
    type='OptimWrapper')
param_scheduler = [
    dict(
        convert_to_iter_based=True,
        eta_max=0.006,
        pct_start=0.15,
        total_steps=6,
        type='OneCycleLR'),
]
randomness = dict(seed=0)
runner_type = 'mmdet3d.OneOccRunner'
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='infos_val.json',
        data_root='{{$ONEOCC_DATA:data}}/quadsim-mini',
        grid=dict(
            origin=(
                -12.8,
                -12.8,
                -1.2,
            ), shape=(
                64,
                64,
                8,
            ), voxel_size=0.4),
        pipeline=[
            dict(keys=(
                'imgs',
                'gt_occ',
            ), type='PackOccInputs'),
        ],
        test_mode=True,
        type='QuadOccDataset',
        unobserved='empty',
        views=dict(
            equi=dict(
                elevation_max_deg=57,
                elevation_min_deg=-33,
                height=96,
                unwrap_from='raw',
                width=384),
            raw=dict(height=192, width=256))),
    drop_last=False,
    num_workers=1,
    sampler=dict(shuffle=False, type='DefaultSampler'))
test_evaluator = dict(type='SSCMetric')
train_cfg = dict(max_epochs=6, type='ResumableEpochLoop', val_interval=6)
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        ann_file='infos_train.json',
        data_root='{{$ONEOCC_DATA:data}}/quadsim-mini',
        grid=dict(
            origin=(
                -12.8,
                -12.8,
                -1.2,
            ), shape=(
                64,
                64,
                8,
            ), voxel_size=0.4),
        pipeline=[
            dict(prob=0.5, type='RandomMirror'),
            dict(labels=True, type='RandomAzimuthRoll'),
            dict(type='PhotometricJitter'),
            dict(keys=(
                'imgs',
                'gt_occ',
            ), type='PackOccInputs'),
        ],
        type='QuadOccDataset',
        unobserved='empty',
        views=dict(
            equi=dict(
                elevation_max_deg=57,
                elevation_min_deg=-33,
                height=96,
                unwrap_from='raw',
                width=384),
            raw=dict(height=192, width=256))),
    num_workers=1,
    sampler=dict(shuffle=True, type='DefaultSampler'))
val_cfg = dict(type='ValLoop')
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='infos_val.json',
        data_root='{{$ONEOCC_DATA:data}}/quadsim-mini',
        grid=dict(
            origin=(
                -12.8,
                -12.8,
                -1.2,
            ), shape=(
                64,
                64,
                8,
            ), voxel_size=0.4),
        pipeline=[
            dict(keys=(
                'imgs',
                'gt_occ',
            ), type='PackOccInputs'),
        ],
        test_mode=True,
        type='QuadOccDataset',
        unobserved='empty',
        views=dict(
            equi=dict(
                elevation_max_deg=57,
                elevation_min_deg=-33,
                height=96,
                unwrap_from='raw',
                width=384),
            raw=dict(height=192, width=256))),
    drop_last=False,
    num_workers=1,
    sampler=dict(shuffle=False, type='DefaultSampler'))
val_evaluator = dict(type='SSCMetric')

# What methods of two sensors read beside the panorama, for any set: `inputs.lidar.train` for the training loader's data
# set, `inputs.lidar.test` for the others'. A depth map becomes points, so that a method that reads points reads depth.
turns = [dict(type='RandomMirror', prob=0.5), dict(type='RandomAzimuthRoll', labels=True)]
pack = [dict(type='PackOccInputs', keys=('imgs', 'points', 'gt_occ'))]
test = dict(pipeline=pack)
train = dict(pipeline=[*turns, dict(type='PhotometricJitter'), *pack])
# a network's maps lie below the set's folder, `<sample_id>.png` or `.npy`; docs/depth.md says how to make them
predicted = dict(source='predicted', folder='predicted_depth', max_range=40.0, as_points=True)
true = dict(source='truth', max_range=40.0, as_points=True)
# four past frames: key frames where the info file holds nothing else (the twins), as published where it holds all
offsets = dict(past=(-4, -3, -2, -1), past_raw=(-12, -9, -6, -3))
sensors = dict(
    lidar=dict(points=dict()),  # P+L
    depth=dict(depth=predicted),  # P+D
    true_depth=dict(depth=true),  # P+Dgt
    degraded_depth=dict(depth=dict(true, degrade=dict())),  # P+D without a network, where true depth is known
)
inputs = {name: dict(train=dict(train, **sensor), test=dict(test, **sensor)) for name, sensor in sensors.items()}
for name, sensor in sensors.items():
    for when, frames in offsets.items():
        past = dict(sensor, previous=dict(offsets=frames, points=True, depth=name != 'lidar'))
        inputs[f'{name}_{when}'] = dict(train=dict(train, **past), test=dict(test, **past))
# what the depth network learns from: ranges of the LiDAR's points, or true depth
show = [dict(type='PackOccInputs', keys=('imgs', 'depth'))]
learn = [dict(type='RandomMirror', prob=0.5), dict(type='PhotometricJitter'), *show]
for name, frames in dict(
    ranges=dict(points=dict(), depth=dict(source='points')), truth=dict(depth=dict(source='truth'))
).items():
    inputs[name] = dict(train=dict(frames, pipeline=learn), test=dict(frames, pipeline=show))
del turns, pack, show, learn, test, train, predicted, true, past, offsets, when, sensors, name, sensor, frames

# SGN-T and its training at full size: SGN-S on five frames, their features averaged and their points together.
_base_ = ['../models/sgn-s.py', '../schedules/sgn-48e.py', '../default_runtime.py']
model = dict(backbone=dict(further_views=('equi_past1', 'equi_past2', 'equi_past3', 'equi_past4')))

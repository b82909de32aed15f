# The tiny SGN-T and a training of minutes.
_base_ = ['../models/sgn-s-tiny.py', './tiny.py']
model = dict(backbone=dict(further_views=('equi_past1', 'equi_past2', 'equi_past3', 'equi_past4')))

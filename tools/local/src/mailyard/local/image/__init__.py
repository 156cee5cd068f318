"""Fills /opt/mailyard of an image, in two steps that become two layers; run by the Dockerfiles, standard library only."""

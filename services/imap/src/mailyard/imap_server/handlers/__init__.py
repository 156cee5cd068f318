"""What each command does: one module for each family. A handler takes the session and the command, writes untagged
responses, and returns how the command ended.
"""

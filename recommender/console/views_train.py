from django.http import HttpResponse


def again(request, **kw):
    return HttpResponse("x")


def cancel(request, **kw):
    return HttpResponse("x")


def live(request, **kw):
    return HttpResponse("x")


def log(request, **kw):
    return HttpResponse("x")


def run(request, **kw):
    return HttpResponse("x")


def train(request, **kw):
    return HttpResponse("x")


def window(request, **kw):
    return HttpResponse("x")

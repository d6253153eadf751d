from django.http import HttpResponse


def home(request, **kw):
    return HttpResponse("x")


def landing(request, **kw):
    return HttpResponse("x")


def strip(request, **kw):
    return HttpResponse("x")
